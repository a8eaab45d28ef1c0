"""Loaded by every Python process of a planted run as it starts: plants faults in Hive's code.

See `hive_chaos/plants.py`. What is to be changed must be there: a process ends if it is not, since
a fault that was not planted would prove nothing.
"""
# pyright: basic
# ruff: noqa: PLC0415 - only what is changed is imported, and only by those who are started for it

import math
import os
import sys
from uuid import uuid4


def no_fence():
    fence = (
        "where g.lease_id = any(array(select id from held))"
        " and t.id = g.id and t.lease_id = g.lease_id"
    )
    for name in ("finish_tasks", "succeed_tasks"):
        _change_statement(name, fence, "where t.id = g.id")


def endless_proof():
    from hive_worker.proof import Proof

    move = Proof.move
    Proof.move = lambda self, sent_at: move(self, sent_at + 1e6)


def forgotten_tasks():
    found = "where t.id = m.id and t.lease_id = m.lease_id"
    _change_statement("reap_leases", found, f"{found} and false")


def forgotten_permit():
    from hive_queen.permits import Permits, _Held

    add = Permits.add
    forgotten = []

    def add_and_forget(self, lease_id, queue, count):
        add(self, lease_id, queue, count)
        if not forgotten:
            forgotten.append(uuid4())
            self._leases[forgotten[0]] = _Held(queue, 1, math.inf, 1)

    Permits.add = add_and_forget


def early_child():
    is_free = "where d.child_id = c.id and d.is_open limit 1) is null as is_free"
    _change_statement("release_gates", is_free, is_free.replace("is null", "is null or true"))


def no_line():
    line = "order by t.key, t.id"
    _change_statement("grant_turns", f"{line}\n      limit 1", f"{line} desc\n      limit 1")


def no_limit():
    verdict = "select v.place, v.held_up_by\n"
    _change_statement("claim_limited_tasks", verdict, "select v.place, null::text as held_up_by\n")


def missed_ticks():
    from dataclasses import replace

    from hive_queen import scheduler

    plan = scheduler.plan  # pyright: ignore[reportPrivateImportUsage]

    def plan_the_last(*arguments, **more):
        found = plan(*arguments, **more)
        return replace(found, ticks=found.ticks[-1:])

    scheduler.plan = plan_the_last  # pyright: ignore[reportPrivateImportUsage]


def told_early():
    from hive_contracts.events import Event, EventFrame, EventType
    from hive_contracts.states import Move
    from hive_worker.recorder import Recorder

    write = Recorder._write_endings

    async def tell_and_write(self):
        ids = tuple(e.task_id for e, _ in self._endings if e.move is Move.SUCCEED)
        if ids:
            event = Event(type=EventType.SUCCEEDED, task_ids=ids, attempts=(1,) * len(ids))
            await self._bus.publish(EventFrame((event,)))
        await write(self)

    Recorder._write_endings = tell_and_write


def _change_statement(name, old, new):
    from hive_store import line

    statement = line.statement  # pyright: ignore[reportPrivateImportUsage]
    if old not in statement(name):
        _refuse(f"{name}.sql has no {old!r}")

    def changed(wanted):
        text = statement(wanted)
        return text.replace(old, new) if wanted == name else text

    line.statement = changed  # pyright: ignore[reportPrivateImportUsage]


def _refuse(why):
    sys.stderr.write(f"the fault cannot be planted: {why}\n")
    sys.stderr.flush()
    os._exit(70)


try:
    for plant in os.environ["CHAOS_PLANT"].split(","):
        globals()[plant.replace("-", "_")]()
except (KeyError, ImportError, AttributeError) as error:
    _refuse(repr(error))

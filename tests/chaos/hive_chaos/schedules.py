"""The schedules of a run: added before the first fault, and ended when all is quiet.

    each    every second, whatever happens: no moment may be missed
    queued  no moment may be missed either; one task after another
    last    what was missed is left out but for its last moment
    alone   the same, and what comes while an earlier task runs is left out too

Which moments there are is reckoned here by plain arithmetic, and not as Hive does it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hive_chaos.history import Asked, LeftOut, Row, Ticking
from hive_chaos.load import LONGEST, MANY_LOSSES, MODULE
from hive_chaos.servers import Servers
from hive_chaos.tasks.chaos_tasks import answer
from hive_client import Hive
from hive_contracts.errors import UnavailableError
from hive_contracts.schedules import Cron, Every, Missed, Overlap, When
from hive_contracts.tasks import NewTask

__all__ = ["SCHEDULES", "add_schedules", "asked_by_schedules", "end_schedules"]

LOOK_SECONDS: Final = 0.25
MOST_MISSED: Final = 1000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NEVER: Final = datetime(2100, 1, 1, tzinfo=UTC)
END: Final = """
with calm as (
  select id, since, next_at from hive.schedule
  where once_at is null and next_at > clock_timestamp()
  for update
)
update hive.schedule s set cron = null, every = null, once_at = $1
from calm where s.id = calm.id
returning s.name, date_part('epoch', calm.since) as since, date_part('epoch', calm.next_at) as until
"""
"""No moment of theirs is due, and none comes any more; those that wait go on."""

GIVE_UP: Final = """
select name, date_part('epoch', since) as since, date_part('epoch', clock_timestamp()) as until
from hive.schedule where once_at is null
"""
WAITING: Final = "select coalesce(sum(waiting), 0) from hive.schedule"
LEFT_OUT: Final = """
select date_part('epoch', tick_at)::bigint as tick, reason, count
from hive.tick where schedule_name = $1 and outcome = 'skipped'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One schedule, and what it is held against."""

    place: int
    when: When
    seconds: int
    """Between two moments; each is a multiple of it since 1970."""

    missed: Missed
    overlap: Overlap
    may_leave_out: frozenset[str] = frozenset()

    @property
    def has_one_task_at_a_time(self) -> bool:
        """Whether two tasks of it never run at the same time, and run in order."""
        return self.overlap is not Overlap.ALLOW


def _every(seconds: int) -> Every:
    return Every(timedelta(seconds=seconds), EPOCH)


SCHEDULES: Final = {
    "each": Plan(place=0, when=_every(1), seconds=1, missed=Missed.ALL, overlap=Overlap.ALLOW),
    "queued": Plan(
        place=1,
        when=Cron("*/4 * * * * *"),
        seconds=4,
        missed=Missed.ALL,
        overlap=Overlap.QUEUE,
    ),
    "last": Plan(
        place=2,
        when=_every(2),
        seconds=2,
        missed=Missed.LAST,
        overlap=Overlap.ALLOW,
        may_leave_out=frozenset({"missed"}),
    ),
    "alone": Plan(
        place=3,
        when=_every(2),
        seconds=2,
        missed=Missed.LAST,
        overlap=Overlap.SKIP,
        may_leave_out=frozenset({"missed", "overlap"}),
    ),
}
LONGEST_SECONDS: Final = {"queued": 1, "alone": 5}
"""For how long the tasks sleep that run one after another."""


async def add_schedules(hive: Hive, witnesses: Path) -> None:
    """Add them all."""
    for name, plan in SCHEDULES.items():
        await hive.schedules.add(
            name,
            plan.when,
            _task(name, plan, str(witnesses)),
            missed=plan.missed,
            max_missed=MOST_MISSED,
            overlap=plan.overlap,
        )


def _task(name: str, plan: Plan, path: str) -> NewTask:
    arguments: dict[str, Any] = {"path": path, "place": plan.place, "moment": "{tick}"}
    function = "tick"
    if plan.has_one_task_at_a_time:
        function = "tick_alone"
        arguments["most_seconds"] = LONGEST_SECONDS[name]
    payload = {"function": f"{MODULE}:{function}", "kwargs": arguments}
    return NewTask(kind="call", payload=payload, max_losses=MANY_LOSSES, timeout=LONGEST)


async def end_schedules(servers: Servers, *, patience_seconds: float) -> dict[str, Ticking]:
    """Have no more moments come, once none is due; return what each had to do until then.

    One that does not catch up while patience lasts had its moments until now. Patience begins anew
    whenever fewer wait for an earlier task of theirs.
    """
    loop = asyncio.get_running_loop()
    ended: dict[str, Any] = {}
    fewest, give_up_at = None, loop.time() + patience_seconds
    while loop.time() < give_up_at:
        with suppress(UnavailableError):
            async with servers.connected() as connection:
                ended |= {row["name"]: row for row in await connection.fetch(END, NEVER)}
                waiting = await connection.fetchval(WAITING)
            if waiting == 0 and ended.keys() == SCHEDULES.keys():
                break
            if fewest is None or waiting < fewest:
                fewest, give_up_at = waiting, loop.time() + patience_seconds
        await asyncio.sleep(LOOK_SECONDS)
    async with servers.connected() as connection:
        ended |= {row["name"]: row for row in await connection.fetch(GIVE_UP)}
        return {
            name: _ticking(
                SCHEDULES[name],
                since=row["since"],
                until=row["until"],
                left_out=await connection.fetch(LEFT_OUT, name),
            )
            for name, row in ended.items()
        }


def _ticking(plan: Plan, *, since: float, until: float, left_out: Sequence[Any]) -> Ticking:
    return Ticking(
        moments=_moments(plan.seconds, since, until),
        may_leave_out=plan.may_leave_out,
        makes_up_for_last=plan.missed is Missed.LAST,
        left_out={r["tick"]: LeftOut(reason=r["reason"], count=r["count"]) for r in left_out},
    )


def _moments(seconds: int, since: float, until: float) -> tuple[int, ...]:
    """Return the moments after `since` and before `until`."""
    first = int(since // seconds + 1) * seconds
    return tuple(moment for moment in range(first, int(until) + 1, seconds) if moment < until)


def asked_by_schedules(rows: Sequence[Row]) -> Mapping[int, Asked]:
    """Return what the tasks of schedules must come to, as if the driver had submitted them."""
    return {
        row.number: Asked(number=row.number, answer=answer(row.number), key=_key(row.schedule))
        for row in rows
        if row.schedule is not None and row.number is not None
    }


def _key(schedule: str) -> str | None:
    """Return what the tasks of a schedule have in common that never run at the same time."""
    return f"schedule {schedule}" if SCHEDULES[schedule].has_one_task_at_a_time else None

"""What is left when a run is over and quiet, of rows, permits, slots, processes: nothing."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hive_chaos.arena import MARK, Arena
from hive_chaos.history import Row
from hive_chaos.schedules import SCHEDULES
from hive_chaos.scraping import Scraper
from hive_chaos.servers import Servers
from hive_chaos.tasks.chaos_tasks import tick_number
from hive_contracts.errors import UnavailableError
from hive_store.statements import statement

__all__ = ["count_open", "leaks", "processes_left", "read_rows", "settle"]

LOOK_SECONDS: Final = 0.25
NAMES: Final = {plan.place: name for name, plan in SCHEDULES.items()}
ROWS: Final = """
with told as (
  select ended.task_id, array_agg(e.type::text) as ends
  from hive.event e
    cross join lateral unnest(coalesce(e.task_ids, array[e.task_id])) as ended (task_id)
  where e.type in ('succeeded', 'failed', 'cancelled')
  group by ended.task_id
)
select t.id, t.state::text, t.failures, date_part('epoch', t.finished_at) as finished_at,
  coalesce(t.payload->'kwargs'->>'number', t.payload->'env'->>'CHAOS_NUMBER')::bigint as number,
  (t.payload->'kwargs'->>'place')::integer as place,
  date_part('epoch', (t.payload->'kwargs'->>'moment')::timestamptz)::bigint as moment,
  case when t.kind = 'call' then t.result #>> '{}' else (
    select convert_from(string_agg(o.data, ''::bytea order by o.position), 'UTF8')
    from hive.output o
    where o.task_id = t.id and o.claim = t.claims and o.stream = 'stdout') end as answer,
  coalesce(told.ends, '{}') as ends
from hive.task t left join told on told.task_id = t.id order by t.id
"""
OPEN: Final = """
select count(*) from hive.task where state not in ('succeeded', 'failed', 'cancelled')
"""
IDLE: Final = "select count(*) from pg_stat_activity where state = 'idle in transaction'"


async def count_open(servers: Servers) -> int:
    """Return how many tasks have not ended."""
    async with servers.connected() as connection:
        return await connection.fetchval(OPEN)


async def settle(servers: Servers, *, patience_seconds: float) -> None:
    """Return once every task has ended, or when none has for as long as patience lasts."""
    loop = asyncio.get_running_loop()
    fewest, give_up_at = None, loop.time() + patience_seconds
    while loop.time() < give_up_at:
        with suppress(UnavailableError):
            count = await count_open(servers)
            if count == 0:
                return
            if fewest is None or count < fewest:
                fewest, give_up_at = count, loop.time() + patience_seconds
        await asyncio.sleep(LOOK_SECONDS)


async def read_rows(servers: Servers) -> tuple[list[Row], list[float]]:
    """Return every task as Hive tells of it, and when each ended, in seconds since 1970."""
    async with servers.connected() as connection:
        records = await connection.fetch(ROWS)
    rows = [_row(record) for record in records]
    return rows, sorted(r["finished_at"] for r in records if r["finished_at"] is not None)


def _row(record: Any) -> Row:
    place, moment = record["place"], record["moment"]
    is_tick = moment is not None
    return Row(
        task_id=record["id"],
        number=tick_number(place, moment) if is_tick else record["number"],
        state=record["state"],
        answer=record["answer"],
        ends=tuple(record["ends"]),
        failures=record["failures"],
        schedule=NAMES[place] if is_tick else None,
        tick=moment,
        finished_at=record["finished_at"],
    )


async def leaks(arena: Arena, scraper: Scraper, *, patience_seconds: float) -> dict[str, int]:
    """Return what is still held though nothing runs: once it is nothing, or patience ends."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_seconds
    while True:
        found = await _held(arena, scraper)
        if not any(found.values()) or loop.time() > give_up_at:
            return found
        await asyncio.sleep(LOOK_SECONDS)


async def _held(arena: Arena, scraper: Scraper) -> dict[str, int]:
    async with arena.servers.connected() as connection:
        found = {
            "leases": await connection.fetchval("select count(*) from hive.lease"),
            "orphans": await connection.fetchval(statement("count_orphans")),
            "open transactions": await connection.fetchval(IDLE),
        }
    samples = await scraper.look()
    names = {
        "permits": 'hive_queen_permits{state="held"}',
        "slots": 'hive_worker_slots{state="busy"}',
    }
    for what, name in names.items():
        found[what] = int(sum(each.get(name, 0) for each in samples))
    # Somebody had to look for them: each is a fault, though nothing is held any more.
    found["stranded tasks"] = scraper.total("hive_stranded_tasks_total")
    found["silent processes"] = max(0, len(arena.members) + 1 - len(samples))
    return found


def processes_left(mark: str, *, of_tasks_alone: bool) -> list[int]:
    """Return the processes that carry the mark of a run in their environment.

    Args:
        mark: the run's.
        of_tasks_alone: leave out Hive's own, which still run.
    """
    marks = [f"CHAOS_TASK={mark}".encode()]
    if not of_tasks_alone:
        marks.append(f"{MARK}={mark}".encode())
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _has_one(entry / "environ", marks)
    ]


def _has_one(environ: Path, marks: list[bytes]) -> bool:
    try:
        variables = environ.read_bytes().split(b"\0")
    except OSError:
        return False
    return any(mark in variables for mark in marks)

"""What people ask of tasks beside their records. Ages are told by the database's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hive_contracts.errors import UnknownTaskError
from hive_contracts.ids import TaskId
from hive_contracts.labels import needs_in, slots_in
from hive_contracts.limits import Breaker, Limit, LimitScope, PausedQueue
from hive_contracts.states import TaskState
from hive_store.line import Line, Row
from hive_store.task_ids import possible_ids

__all__ = ["MOST_AHEAD", "Onlooker", "Situation", "UnmetNeeds"]

MOST_AHEAD: Final = 10_000
LIVING_SECONDS: Final = 10.0
BREAKER: Final = "breaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where one task stands, and what is around it."""

    now: datetime
    """The database's time, to count ages from."""

    state: TaskState
    claim: int
    """How often it was leased. Attempts that are given back share a number, claims never do."""

    attempt: int
    ahead: int | None
    """How many queued tasks go before it, `MOST_AHEAD` for that many or more; None: not queued."""

    turn_of: TaskId | None = None
    """Which task has the turn of its key; None without a key, or while nobody has it."""

    ahead_of_key: int | None = None
    """How many tasks of its key go before it, `MOST_AHEAD` at most; None: it is not blocked."""

    paused: PausedQueue | None = None
    """Its queue, if that is paused."""

    is_held_up: bool = False
    """Whether it waits for `limit`."""

    limit: Limit | None = None
    """The limit that it waits for, else that of its queue; None if there is none."""

    breaker: Breaker | None = None
    """The breaker that it waits for; None if it waits for none."""

    parent_id: TaskId | None = None
    """The first task that it comes after and that has not ended."""

    parent_state: TaskState | None = None
    parents: int = 0
    """How many tasks it still waits for, `MOST_AHEAD` at most."""

    child_id: TaskId | None = None
    """The first task that waits for it."""

    children: int = 0
    """How many tasks wait for it, `MOST_AHEAD` at most."""

    unheard_seconds: float | None
    """How long ago its last claim wrote output; None if it has written none."""

    queens: int
    """How many queens were seen of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetNeeds:
    """Queued tasks that no living worker of their queue can run, for want of labels or slots."""

    queue: str
    needs: tuple[str, ...]
    """The labels."""

    slots: int = 1
    """How many slots each of them takes."""

    largest: int | None = None
    """Slots of the largest worker of the queue that has the labels; None if none has them."""

    count: int


class Onlooker:
    """Looks at tasks over a line, and changes nothing."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def look(self, task_id: TaskId) -> Situation:
        """Return where a task stands.

        Raises:
            UnknownTaskError: there is no such task.
        """
        if not possible_ids([task_id]):
            raise UnknownTaskError(task_id)
        rows = await self._line.fetch("look_at_task", task_id, MOST_AHEAD, LIVING_SECONDS)
        if not rows:
            raise UnknownTaskError(task_id)
        [row] = rows
        return Situation(
            now=row["now"],
            state=TaskState(row["state"]),
            claim=row["claim"],
            attempt=row["attempt"],
            ahead=row["ahead"],
            turn_of=None if row["turn_of"] is None else TaskId(row["turn_of"]),
            ahead_of_key=row["ahead_of_key"],
            paused=_paused(row),
            is_held_up=row["is_held_up"],
            limit=_limit(row),
            breaker=_breaker(row),
            parent_id=None if row["parent_id"] is None else TaskId(row["parent_id"]),
            parent_state=None if row["parent_state"] is None else TaskState(row["parent_state"]),
            parents=row["parents"],
            child_id=None if row["child_id"] is None else TaskId(row["child_id"]),
            children=row["children"],
            unheard_seconds=row["unheard_seconds"],
            queens=row["queens"],
        )

    async def now(self) -> datetime:
        """Return the database's time."""
        return await self._line.fetch_value("read_clock")

    async def paused_queues(self) -> list[PausedQueue]:
        """Return the queues that are paused, by name."""
        rows = await self._line.fetch("list_paused_queues")
        return [pause for row in rows if (pause := _paused(row)) is not None]

    async def unmet_needs(self, *, living: timedelta) -> list[UnmetNeeds]:
        """Return what tasks need, queued or held up by a limit, that no worker has.

        Who was seen within `living` lives.
        """
        return [
            UnmetNeeds(
                queue=row["queue"],
                needs=needs_in(row["needs"]),
                slots=slots_in(row["needs"]),
                largest=row["largest"],
                count=row["count"],
            )
            for row in await self._line.fetch("find_unmet_needs", living.total_seconds())
        ]

    async def longest_waits(self) -> dict[str, float]:
        """Return for how many seconds the longest waiting task of each queue has been due."""
        rows = await self._line.fetch("read_longest_waits")
        return {row["queue"]: row["waiting_seconds"] for row in rows}


def _paused(row: Row) -> PausedQueue | None:
    if row["paused_at"] is None:
        return None
    return PausedQueue(
        name=row["queue"], at=row["paused_at"], by=row["paused_by"], reason=row["paused_reason"]
    )


def _breaker(row: Row) -> Breaker | None:
    scope, _, name = (row["limit_name"] or "").partition(":")
    if scope != BREAKER:
        return None
    return Breaker(
        name=name,
        is_open=row["is_open"],
        open_until=row["open_until"],
        reason=row["limit_reason"],
        probe_id=None if row["probe_id"] is None else TaskId(row["probe_id"]),
    )


def _limit(row: Row) -> Limit | None:
    scope, _, target = (row["limit_name"] or "").partition(":")
    if scope in ("", BREAKER):
        return None
    return Limit(
        scope=LimitScope(scope),
        target=target,
        max_running=row["limit_running"],
        rate=row["limit_rate"],
    )

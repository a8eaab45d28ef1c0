"""What people do to queues and limits, and who did it. Each act holds from its commit on."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.limits import Limit, LimitScope, PausedQueue, UsedLimit
from hive_contracts.states import TaskState
from hive_store.deeds import Actor
from hive_store.line import Line
from hive_store.task_ids import possible_ids

__all__ = ["ControlStore"]

NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
FREED_AT_ONCE: Final = 10_000
MOST_RUNNING: Final = 1_000_000
LEAST_RATE: Final = 1 / 86_400 / 366
MOST_RATE: Final = 1_000_000.0
TEXT_CHARACTERS: Final = 1000
LOOK_SECONDS: Final = 0.25
QUIET_LOOKS: Final = 2


class ControlStore:
    """Queues and limits over a line, changed in somebody's name."""

    def __init__(self, line: Line, actor: Actor) -> None:
        self._line = line
        self._actor = actor

    async def pause(self, queue: str, *, reason: str | None = None) -> bool:
        """Have nothing of a queue claimed from now on; return False if it was so before.

        Raises:
            UsageError: that is no name of a queue, or the reason is too long.
        """
        _check_name("queue", queue)
        if reason is not None and (len(reason) > TEXT_CHARACTERS or "\x00" in reason):
            raise UsageError(f"a reason has at most {TEXT_CHARACTERS:,} characters, and no NUL")
        return await self._act("pause_queue", queue, reason)

    async def resume(self, queue: str) -> bool:
        """Have tasks of a paused queue claimed again; return False if it was not paused."""
        return await self._act("resume_queue", queue)

    async def paused(self) -> list[PausedQueue]:
        """Return the queues that are paused, by name."""
        return [
            PausedQueue(
                name=row["queue"],
                at=row["paused_at"],
                by=row["paused_by"],
                reason=row["paused_reason"],
            )
            for row in await self._line.fetch("list_paused_queues")
        ]

    async def count_open(self) -> dict[str, dict[TaskState, int]]:
        """Return how many tasks of each queue are in which state that is not an end."""
        counts: dict[str, dict[TaskState, int]] = {}
        for row in await self._line.fetch("count_open_tasks"):
            counts.setdefault(row["queue"], {})[TaskState(row["state"])] = row["count"]
        return counts

    async def count_leased(self, queue: str) -> int:
        """Return how many tasks of a queue somebody has."""
        return await self._line.fetch_value("count_leased_of_queue", queue)

    async def leased_until_drained(self, queue: str) -> AsyncGenerator[int]:
        """Yield how many tasks of a paused queue somebody has, again and again, until none is.

        It looks once more after it has found none: a claim that began before the pause may end
        after it.
        """
        quiet_looks = 0
        while True:
            leased = await self.count_leased(queue)
            quiet_looks = 0 if leased else quiet_looks + 1
            yield leased
            if quiet_looks == QUIET_LOOKS:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def move(self, task_ids: Sequence[TaskId], *, queue: str) -> list[TaskId]:
        """Move tasks to another queue while nobody has them; return those that were moved.

        A task that another transaction holds at this moment is not in the answer.

        Raises:
            UsageError: that is no name of a queue.
        """
        _check_name("queue", queue)
        rows = await self._line.fetch("move_tasks", possible_ids(task_ids), queue, *self._actor)
        return [TaskId(row["id"]) for row in rows]

    async def set_limit(self, limit: Limit) -> None:
        """Have a limit hold from now on, for whatever is claimed; one that is there is changed.

        Raises:
            UsageError: it is none; the message says why.
        """
        _check_limit(limit)
        await self._act(
            "set_limit", limit.scope, limit.target, limit.max_running, limit.rate, limit.burst
        )

    async def remove_limit(self, scope: LimitScope, target: str) -> bool:
        """Lift a limit, and queue all who wait for it; return False if there is none."""
        is_gone = await self._act("remove_limit", scope, target)
        while await self._line.fetch_value("free_held_up_tasks", FREED_AT_ONCE):
            pass
        return is_gone

    async def limits(self) -> list[UsedLimit]:
        """Return the limits by name, and how far each is used."""
        return [
            UsedLimit(
                limit=Limit(
                    scope=LimitScope(row["scope"]),
                    target=row["target"],
                    max_running=row["max_running"],
                    rate=row["rate"],
                    burst=row["burst"],
                ),
                running=row["running"],
                held_up=row["held_up"],
                tokens=row["tokens"],
            )
            for row in await self._line.fetch("list_limits")
        ]

    async def _act(self, name: str, *arguments: object) -> bool:
        return await self._line.fetch_value(name, *arguments, *self._actor)


def _check_name(what: str, name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise UsageError(f"a {what} is 1 to 200 characters without white space, not {name!r}")


def _check_limit(limit: Limit) -> None:
    what = "key" if limit.scope is LimitScope.KEY else str(limit.scope)
    _check_name(what, limit.target)
    if limit.max_running is None and limit.rate is None:
        raise UsageError("a limit says how many tasks run at once, or how fast they start, or both")
    if limit.max_running is not None and not 0 <= limit.max_running <= MOST_RUNNING:
        raise UsageError(
            f"a limit lets 0 to {MOST_RUNNING:,} tasks run at once, not {limit.max_running}"
        )
    if limit.rate is not None and not LEAST_RATE <= limit.rate <= MOST_RATE:
        raise UsageError(
            f"a rate is from 1 in a year to {MOST_RATE:,.0f} a second, not {limit.rate:g} a second"
        )
    if limit.burst is not None and limit.rate is None:
        raise UsageError("a burst is what a rate lets start at once; give a rate too")
    if limit.burst is not None and not 1 <= limit.burst <= MOST_RUNNING:
        raise UsageError(f"a burst is from 1 to {MOST_RUNNING:,}, not {limit.burst}")

"""Follow a task from wherever it is to its end: its output as it comes, and what becomes of it.

Output is read from the store by position, so that nothing is printed twice or lost, whoever else
watches and wherever the task runs. The bus only says when to look; without Redis the looks are a
tenth of a second apart all the same, because output itself makes no noise on the bus.
"""

from collections.abc import Collection
from typing import Final

from hive.printing import say
from hive.tasks.hints import heard_hints, next_hint
from hive.tasks.outages import Outage
from hive.tasks.outputs import OutputReader, Sink
from hive.tasks.reaching import Reach, View
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_store.onlooker import Situation

__all__ = ["Follower", "follow"]

LOOK_SECONDS: Final = 0.1


async def follow(
    reach: Reach, task_id: TaskId, sink: Sink, *, streams: Collection[Stream] = tuple(Stream)
) -> None:
    """Pass on the output of a task, attempt after attempt, and return once it has ended.

    Outlives a Postgres that is away, and says so.

    Raises:
        UnknownTaskError: there is no such task.
    """
    outage = Outage(what_goes_on=", and the task goes on")
    async with heard_hints(reach, {task_id}) as hints:
        follower = Follower(reach.view, task_id, sink, streams=streams)
        while True:
            try:
                has_ended = await follower.look()
            except StoreUnavailableError as error:
                await outage.sit_out(error)
                continue
            outage.note_that_it_answers()
            if has_ended:
                return
            await next_hint(hints, within_seconds=LOOK_SECONDS)


class Follower:
    """One task's output, followed through all of its attempts from the one that is now the last."""

    def __init__(
        self, view: View, task_id: TaskId, sink: Sink, *, streams: Collection[Stream]
    ) -> None:
        self._view = view
        self._task_id = task_id
        self._sink = sink
        self._streams = streams
        self._seen: Situation | None = None
        self._reader = self._new_reader()

    async def look(self) -> bool:
        """Pass on what is there now; return whether the task had ended before that was read."""
        seen = self._seen or await self._view.onlooker.look(self._task_id)
        while True:
            pieces = await self._reader.fetch()
            now = await self._view.onlooker.look(self._task_id)
            if now.claim != seen.claim:
                # What was fetched may be of either claim; positions begin anew with each.
                await self._go_on_to(now, before=seen)
            else:
                self._reader.take(pieces)
            self._seen = now
            if seen.state in TERMINAL_STATES and now.claim == seen.claim and not pieces:
                return now.state in TERMINAL_STATES
            if not pieces and now.state not in TERMINAL_STATES and now.claim == seen.claim:
                return False
            seen = now

    async def _go_on_to(self, now: Situation, *, before: Situation) -> None:
        if before.attempt and now.attempt != before.attempt:
            await self._reader.drain(attempt=before.attempt)
        if before.state is TaskState.RUNNING:
            say(f"hive: task {self._task_id} begins again, attempt {now.attempt}")
        self._reader = self._new_reader()

    def _new_reader(self) -> OutputReader:
        return OutputReader(self._view.tasks, self._task_id, self._sink, streams=self._streams)

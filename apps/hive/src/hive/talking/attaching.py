"""Sit at the terminal of a task, from its start (or now) to its end, or until ctrl-q."""

import asyncio
from typing import Final

from hive.acting_for import actor_of
from hive.printing import say
from hive.reviewing.leaving import what_is_left
from hive.settings import Settings
from hive.talking.own_terminal import OwnTerminal, check_terminal
from hive.talking.partners import bus_of, check_that_it_has_not_ended
from hive.talking.session import Session
from hive.tasks.exit_codes import DETACHED, exit_code_of
from hive.tasks.explaining import Explainer
from hive.tasks.hints import Hints, heard_hints, next_hint
from hive.tasks.outages import outlast
from hive.tasks.outputs import OutputReader, StandardStreams
from hive.tasks.reaching import Reach, open_reach
from hive.tasks.speech import has_terminal
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_store.deeds import Deed
from hive_store.onlooker import Situation

__all__ = ["attach", "sit_at"]

LOOK_SECONDS: Final = 0.5
BEHIND_EVERYTHING: Final = 2**62


async def attach(settings: Settings, number: int) -> int:
    """Sit at the terminal of a task; return the exit code that tells its end.

    Raises:
        UnknownTaskError: there is no such task.
        UsageError: it has ended, or has no terminal; or there is none here.
    """
    task_id = TaskId(number)
    async with open_reach(settings) as reach:
        record = await reach.view.tasks.read(task_id)
        check_that_it_has_not_ended(record)
        if has_terminal(record) is False:
            raise UsageError(
                f"task {task_id} has no terminal; submit such tasks with --pty, and see this one"
                f" with `hive logs -f {task_id}`"
            )
        check_terminal(f"see it with `hive logs -f {task_id}`, type with `hive send {task_id}`")
        await reach.view.record(Deed(actor=actor_of(settings), what="attach", target=str(task_id)))
        return await sit_at(reach, settings, task_id)


async def sit_at(reach: Reach, settings: Settings, task_id: TaskId) -> int:
    """Sit at the terminal of a task; return the exit code that tells its end.

    Outlives a Postgres that is away, and attempts that are made again.

    Raises:
        UsageError: its worker says that it has no terminal.
    """
    async with heard_hints(reach, {task_id}) as hints:
        sitting = _Sitting(reach, settings, task_id, hints)
        while await sitting.wait_until_it_runs():
            if not await sitting.sit():
                say(
                    f"hive: detached; task {task_id} goes on. Come back with"
                    f" `hive attach {task_id}`"
                )
                return DETACHED
    await sitting.show_what_nobody_saw()
    ended = await reach.hive.wait(task_id)
    reason = f": {ended.error}" if ended.error and ended.state is not TaskState.SUCCEEDED else ""
    say(f"hive: task {task_id} {ended.state}{reason}")
    if (left := what_is_left(ended)) is not None:
        say(f"hive: {left}")
    return exit_code_of(ended, is_command=True)


class _Sitting:
    """Somebody at the terminal of a task, attempt after attempt."""

    def __init__(self, reach: Reach, settings: Settings, task_id: TaskId, hints: Hints) -> None:
        self._reach = reach
        self._settings = settings
        self._task_id = task_id
        self._hints = hints
        self._seen_claim = 0

    async def wait_until_it_runs(self) -> bool:
        """Return whether it runs now; False once it has ended."""
        explainer = Explainer(self._reach.view, silence=self._settings.silence, tell=say)
        while (state := (await self._look()).state) is not TaskState.RUNNING:
            if state in TERMINAL_STATES:
                return False
            await explainer.look_at(self._task_id)
            await next_hint(self._hints, within_seconds=LOOK_SECONDS)
        return True

    async def sit(self) -> bool:
        """Sit at its terminal until this run of it is over; False if the person has left before."""
        say(f"hive: at the terminal of task {self._task_id}; ctrl-q leaves it")
        before = await self._look()
        self._seen_claim = before.claim
        session = Session(bus_of(self._reach), self._task_id, OwnTerminal())
        async with session.open():
            async with asyncio.TaskGroup() as group:
                ending = group.create_task(self._until_it_ends(before))
                leaving = group.create_task(session.detached.wait())
                await asyncio.wait([ending, leaving], return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
                leaving.cancel()
            if not ending.cancelled() and ending.result():
                await self._show_rest(session)
        if session.refusal is not None:
            raise UsageError(f"task {self._task_id}: {session.refusal}")
        return not session.detached.is_set()

    async def show_what_nobody_saw(self) -> None:
        """Show the output of the last run if it had ended before anybody could sit down."""
        if (await self._look()).claim != self._seen_claim:
            tasks = self._reach.view.tasks
            await OutputReader(tasks, self._task_id, StandardStreams()).drain()

    async def _until_it_ends(self, before: Situation) -> bool:
        """Return once this run of it is over; whether it was the last, and all of it is stored."""
        while (now := await self._look()).claim == before.claim:
            if now.state in TERMINAL_STATES:
                return True
            await next_hint(self._hints, within_seconds=LOOK_SECONDS)
        return False

    async def _show_rest(self, session: Session) -> None:
        """Show what had not come over the bus by the end: the store has it."""
        while pieces := await self._reach.view.tasks.read_output(
            self._task_id, after_stdout=session.position, after_stderr=BEHIND_EVERYTHING
        ):
            for piece in pieces:
                session.show(piece.position, piece.data)

    async def _look(self) -> Situation:
        return await outlast(lambda: self._reach.view.onlooker.look(self._task_id))

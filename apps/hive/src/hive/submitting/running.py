"""Submit a task and watch it to its end; what Ctrl-C means meanwhile.

first Ctrl-C     detach: the task goes on, nobody watches
second, soon     cancel the task, and watch it end
third            detach all the same; the task ends without an onlooker
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Never

from hive.acting.cancelling import call_off
from hive.durations import show_seconds
from hive.looking.agent_usage import used_in_words
from hive.looking.limits import limit_that_struck
from hive.printing import say
from hive.reviewing.leaving import what_is_left
from hive.settings import Settings
from hive.standard_output import UnwritableOutputError
from hive.talking.attaching import sit_at
from hive.tasks.exit_codes import DETACHED, exit_code_of
from hive.tasks.explaining import Explainer
from hive.tasks.following import follow
from hive.tasks.interrupts import SECOND_CTRL_C_SECONDS, Interrupts
from hive.tasks.kinds import check_payload
from hive.tasks.outputs import Sink, StandardStreams
from hive.tasks.reaching import Reach, open_reach
from hive.tasks.speech import has_terminal
from hive_contracts.clocks import BootClock
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, Submitted
from hive_store.task_store import EndedTask

__all__ = ["run_and_sit", "run_and_watch"]

LOOK_SECONDS: Final = 0.5


async def run_and_watch(
    settings: Settings,
    task: NewTask,
    *,
    is_verbose: bool,
    sink: Sink | None = None,
    on_end: Callable[[EndedTask], None] = lambda _ended: None,
) -> int:
    """Submit a task, pass on its output, and return the exit code that tells its end.

    An earlier task of the same unique key is watched in its place.

    Args:
        settings: of this Hive.
        task: a command, or something else that starts a program.
        is_verbose: whether to tell of it also where nobody looks.
        sink: where its output goes; None for the standard streams.
        on_end: called with how it has ended.
    """
    check_payload(task.kind, task.payload)
    interrupts, is_telling = Interrupts(), is_verbose or sys.stderr.isatty()
    async with open_reach(settings) as reach:
        with interrupts.heard():
            task_id, is_new = await _hand_in(reach, task)
            if is_new and is_telling:
                say(f"hive: task {task_id}, in queue {task.queue}")
            ended = await _watch_and_tell(
                reach,
                task_id,
                interrupts,
                silence=settings.silence,
                is_telling=is_telling,
                sink=sink or StandardStreams(),
            )
    if ended is None:
        return DETACHED
    on_end(ended)
    return exit_code_of(ended, is_command=task.kind == "command")


async def run_and_sit(settings: Settings, task: NewTask) -> int:
    """Submit a `command` task with a terminal, sit at it, and return as `run_and_watch` does.

    An earlier task of the same unique key that has no terminal is watched.
    """
    check_payload(task.kind, task.payload)
    interrupts = Interrupts()
    async with open_reach(settings) as reach:
        task_id, is_new = await _hand_in(reach, task)
        if is_new or has_terminal(await reach.view.tasks.read(task_id)) is not False:
            return await sit_at(reach, settings, task_id)
        with interrupts.heard():
            ended = await _watch_and_tell(
                reach,
                task_id,
                interrupts,
                silence=settings.silence,
                is_telling=True,
                sink=StandardStreams(),
            )
    return DETACHED if ended is None else exit_code_of(ended, is_command=True)


async def _hand_in(reach: Reach, task: NewTask) -> Submitted:
    [submitted] = await reach.hive.hand_in([task])
    if not submitted.is_new:
        say(
            f"hive: nothing is added: task {submitted.id} has the unique key"
            f" {task.unique_key!r}, and is watched instead"
        )
    return submitted


async def _watch_and_tell(
    reach: Reach,
    task_id: TaskId,
    interrupts: Interrupts,
    *,
    silence: timedelta,
    is_telling: bool,
    sink: Sink,
) -> EndedTask | None:
    """Watch a task to its end, and tell of it; None if the person has gone away before."""
    clock = BootClock()
    begun_seconds = clock.seconds()
    ended = await _watch(reach, task_id, interrupts, sink, silence=silence)
    if ended is None:
        return None
    if is_telling or not _has_its_own_exit_code(ended):
        _tell_end(ended, clock.seconds() - begun_seconds)
    # Nobody looks through what is not known to be there.
    if (left := what_is_left(ended)) is not None:
        say(f"hive: {left}")
    return ended


async def _watch(
    reach: Reach, task_id: TaskId, interrupts: Interrupts, sink: Sink, *, silence: timedelta
) -> EndedTask | None:
    """Return how the task ended, or None if the person at the keyboard has gone away."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_follow_to_end(reach, task_id, sink))
        minding = group.create_task(_mind(reach, task_id, interrupts, watching))
        waiting = group.create_task(_explain_waiting(reach, task_id, silence))
        watching.add_done_callback(lambda _: minding.cancel())
        watching.add_done_callback(lambda _: waiting.cancel())
    return None if watching.cancelled() else watching.result()


async def _follow_to_end(reach: Reach, task_id: TaskId, sink: Sink) -> EndedTask:
    try:
        await follow(reach, task_id, sink)
    except* UnwritableOutputError:
        say(f"hive: task {task_id} goes on unseen; watch it with `hive logs -f {task_id}`")
        raise
    return await reach.hive.wait(task_id)


async def _mind(
    reach: Reach, task_id: TaskId, interrupts: Interrupts, watching: "asyncio.Task[EndedTask]"
) -> None:
    await interrupts.take()
    say(
        f"\nhive: task {task_id} goes on without you; watch it again with"
        f" `hive logs -f {task_id}`.\nCtrl-C once more within"
        f" {SECOND_CTRL_C_SECONDS:g} seconds cancels it."
    )
    if await interrupts.take(within_seconds=SECOND_CTRL_C_SECONDS):
        say(f"\nhive: cancelling task {task_id}")
        if await interrupts.take_beside(call_off(reach, [task_id])):
            say(f"\nhive: task {task_id} is being cancelled; `hive show {task_id}` says when it is")
        else:
            say(f"\nhive: task {task_id} is not cancelled yet; go on with `hive cancel {task_id}`")
    watching.cancel()


async def _explain_waiting(reach: Reach, task_id: TaskId, silence: timedelta) -> Never:
    explainer = Explainer(reach.view, silence=silence, tell=say)
    while True:
        await explainer.look_at(task_id)
        await asyncio.sleep(LOOK_SECONDS)


def _has_its_own_exit_code(ended: EndedTask) -> bool:
    was_stopped = ended.state is TaskState.CANCELLED or ended.outcome is OutcomeName.TIMED_OUT
    return isinstance(ended.result, dict) and not was_stopped


def _tell_end(ended: EndedTask, seconds: float) -> None:
    word = limit_that_struck(ended.outcome, ended.error) or str(ended.state)
    reason = f": {ended.error}" if ended.error and ended.state is not TaskState.SUCCEEDED else ""
    used = used_in_words(ended)
    spent = "" if used is None else f" ({used})"
    say(f"hive: task {ended.id} {word} after {show_seconds(seconds)}{spent}{reason}")

"""The executor `command`: one program, its output, and nothing left behind.

What is covered (docs/processes.md has the table of fences):

- The whole tree of processes ends with the attempt: when the program ends, is cancelled, runs out
  of time or misses a deadline (`deadlines`), when the worker dies or freezes (`guardian`), and also
  what has daemonised. One that shows no sign of life, or stays when it is done, is told apart.
- Output is read as it comes, in bounded pieces; the attempt keeps a bounded part of it. The
  command's secrets are hidden in it before it leaves the worker (`redacting`), in every spelling
  that `secrets` knows; a program that spells them in another way gives them away.
- The environment is what the settings let through, what the payload adds, `HIVE_TASK_ID`,
  `HIVE_ATTEMPT`, `HIVE_PARENTS` if asked for, `HIVE_QUESTION` and `HIVE_ANSWER` if something was
  answered, and the guardian's marker. No core is dropped; the umask is the one that is said.
- Memory, processor time, files, processes and niceness of each process are bounded if the task or
  the settings say so (`limits`), and commands are killed before Hive when memory is short.
- A clean exit is a success, whatever of the tree still held the pipes: that is killed and counted.

What is not:

- It is no sandbox: a program can read and write whatever the worker's user can, the network and the
  other tasks of that user included. It can also kill the guardian.
- What it has others start is not its tree: jobs handed to a container engine, a service manager,
  `at` or `cron` go on.
- A process that gains another user's rights (`sudo`) may not be killed by the worker's; its attempt
  then lasts as long as it does. So does one that the kernel itself holds (a dead network disk).
- A program whose file or directory cannot be read (a dead network disk again) holds up the guardian
  at its start, and with it every other start and end of this worker.
- A process that sheds session, parent and environment alike cannot be told from those of the
  worker's other running attempts, and lives until the last of these has ended; if the guardian is
  killed as well, the sweep does not find it. With control groups neither is so.
- Without a control group (`control_groups`) limits are those of single processes, not of the tree.
- Two pipes have no common order: stdout and stderr are each in order, and between them the time of
  arrival stands in. `peak_memory_bytes` is that of the largest single process, and never below the
  guardian's own 11 MB, because the kernel counts from the moment before the program is executed.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any, ClassVar, Final, Self

from hive_contracts.conversing import Switchboard
from hive_contracts.errors import ConfigurationError, MalformedPayloadError, ServiceUnavailableError
from hive_contracts.execution import Attempt, Stream, Tools
from hive_contracts.outcomes import Failed, Outcome, Released
from hive_contracts.spawning import Fences, Launch, Spawner
from hive_contracts.tasks import Question
from hive_contracts.wire import decode_payload
from hive_process.control_groups import hand_on_controllers, remove_abandoned
from hive_process.deadlines import Deadlines, Terms
from hive_process.endings import refusal_of
from hive_process.housing import Housing
from hive_process.limits import Limits, read_limits, read_umask
from hive_process.outlet import Outlet
from hive_process.overseeing import Overseer
from hive_process.parents_file import parents_in_a_file
from hive_process.payload import CommandPayload, CommandSettings
from hive_process.pipes import Pipes
from hive_process.records import Records
from hive_process.secrets import Secrets
from hive_process.terminal import Terminal
from hive_process.watching import WatchedCommand
from hive_process.workspaces.lodging import Lodgings
from hive_process.workspaces.programs import SpawnedPrograms
from hive_process.workspaces.quota import Quota
from hive_process.workspaces.spec import WorkspaceSettings
from hive_process.workspaces.yard import Yard

__all__ = ["CommandExecutor", "CommandPayload", "CommandSettings"]

TERMINAL: Final = "xterm-256color"
"""Which terminal a program with one is told that it has, unless its task says."""

QUESTION: Final = "HIVE_QUESTION"
ANSWER: Final = "HIVE_ANSWER"
OF_THE_TASK: Final = frozenset({QUESTION, ANSWER})
"""Variables that a worker may have from a task that it was started by."""


class CommandExecutor:
    """Runs attempts of kind `command`. Satisfies `hive_contracts.execution.Executor`."""

    payload_type: ClassVar[type] = CommandPayload

    def __init__(
        self,
        *,
        spawner: Spawner,
        settings: CommandSettings,
        environment: Mapping[str, str],
        controllers: Collection[bytes] | None = None,
        switchboard: Switchboard | None = None,
    ) -> None:
        self._spawner = spawner
        self._switchboard = switchboard
        self._settings = settings
        self._most = settings.most()
        self._fences = self._fences_of(self._most, settings.umask)
        self._controllers = controllers
        self._env = {
            name: environment[name]
            for name in settings.env_allowed
            if name in environment and name not in OF_THE_TASK
        }
        self.housing: Housing | None = None
        """What runs those that have workspaces; None where they can have none."""

    @classmethod
    @asynccontextmanager
    async def open(cls, tools: Tools) -> AsyncGenerator[Self]:
        """Make an executor over the worker's spawner.

        Raises:
            ConfigurationError: the control group that the settings name cannot be used.
        """
        settings = tools.settings_of(CommandSettings)
        executor = cls(
            spawner=tools.spawner,
            settings=settings,
            environment=os.environ,
            controllers=_take_over(settings.control_group),
            switchboard=tools.switchboard,
        )
        rules = tools.settings_of(WorkspaceSettings)
        if tools.workspaces is not None and rules.root is not None:
            yard = Yard(rules.root, SpawnedPrograms(tools.spawner))
            executor.housing = Housing(
                Lodgings(yard, tools.workspaces, rules),
                executor.execute,
                teardown_seconds=rules.teardown_seconds,
            )
        yield executor

    async def run(self, attempt: Attempt) -> Outcome:
        """Run `attempt` to its end.

        Raises:
            StaleLeaseError: the lease was gone before anything was started.
            ServiceUnavailableError: the guardian died under the process. What carried its mark has
                been swept away, but nothing true can be said of how the process ended.
        """
        try:
            payload = decode_payload(attempt.task.kind, attempt.task.payload, CommandPayload)
        except MalformedPayloadError as error:
            return Failed(str(error), is_retryable=False)
        return await self.run_command(attempt, payload)

    async def run_command(
        self, attempt: Attempt, payload: CommandPayload, overseer: Overseer | None = None
    ) -> Outcome:
        """Run an attempt that comes to a command, which somebody may oversee.

        Raises:
            StaleLeaseError, ServiceUnavailableError: as `run`.
        """
        if payload.output_cap_bytes is not None:
            # Of all that the attempt writes: that of a setup comes before the command's own.
            attempt.cap_output(payload.output_cap_bytes)
        if payload.workspace is None:
            return await self.execute(attempt, payload, None, overseer)
        if self.housing is None:
            return Failed("its worker has no place for workspaces", is_retryable=False)
        return await self.housing.run(attempt, payload, payload.workspace, overseer)

    async def execute(
        self,
        attempt: Attempt,
        payload: CommandPayload,
        quota: Quota | None,
        overseer: Overseer | None,
    ) -> Outcome:
        """Run one command of `attempt` to its end; `run` does so with the one that it is there for.

        Args:
            attempt: which.
            payload: the command.
            quota: how much its directory may hold; None if nobody has said.
            overseer: who follows it and says what its end means; None for nobody.
        """
        limits = self._most
        if payload.limits:
            limits = read_limits(payload.limits).within(limits)
        if (refusal := limits.refusal(self._controllers)) is not None:
            return Failed(refusal, is_retryable=False)
        fences = self._fences
        if payload.limits or payload.umask:
            fences = self._fences_of(limits, payload.umask or self._settings.umask)
        if overseer is None:
            return await self._run(attempt, payload, fences, quota, None)
        try:
            return overseer.judge(await self._run(attempt, payload, fences, quota, overseer))
        except asyncio.CancelledError:
            # Nothing of it runs any more; it may have come to its result before.
            if (outcome := overseer.called_off()) is None:
                raise
            return outcome

    async def _run(
        self,
        attempt: Attempt,
        payload: CommandPayload,
        fences: Fences,
        quota: Quota | None,
        overseer: Overseer | None,
    ) -> Outcome:
        deadlines = Deadlines(self._terms(payload))
        env = self._environment(attempt, payload)
        secrets = self._secrets_of(payload, env)
        hear = None if overseer is None else overseer.hear
        async with AsyncExitStack() as stack:
            outlet = stack.enter_context(Outlet(attempt.write_output, deadlines, secrets, hear))
            try:
                pipes = stack.enter_context(self._pipes(outlet, payload))
                if payload.parents:
                    env.update(await stack.enter_async_context(parents_in_a_file(attempt)))
            except OSError as error:
                return Released(f"the worker could not make a pipe or a file: {error.strerror}")
            if payload.pty or payload.stdin_open:
                await self._connect(attempt, payload, pipes, outlet, stack)
            if payload.ask_codes:
                outlet.keep_last_line()
            env.update(_answer_in(await attempt.answers()))
            await attempt.announce_start()
            try:
                records = await self._begin_records(payload, outlet)
            except OSError as error:
                why = f"cannot write output_file {payload.output_file!r}: {error.strerror}"
                return Failed(why, is_retryable=False)
            try:
                process = await self._spawner.spawn(self._launch(payload, env, pipes, fences))
            except OSError as error:
                return refusal_of(error, payload)
            except ServiceUnavailableError as error:
                return Released(str(error))
            command = WatchedCommand(
                process,
                attempt,
                pipes=pipes,
                outlet=outlet,
                deadlines=deadlines,
                records=records,
                grace_seconds=self._settings.grace_seconds,
            )
            if overseer is not None:
                overseer.begin(stop=command.ask_to_stop, note_result=deadlines.hear_result)
            try:
                async with nullcontext() if quota is None else quota.watched(command.ask_to_stop):
                    return await command.outcome(payload)
            finally:
                if command.usage is not None:
                    attempt.keep_usage(_with_what_is_told(command.usage, overseer))

    async def _connect(
        self,
        attempt: Attempt,
        payload: CommandPayload,
        pipes: Pipes | Terminal,
        outlet: Outlet,
        stack: AsyncExitStack,
    ) -> None:
        """Let people send it something, and see its terminal, for as long as `stack` is open."""
        if self._switchboard is None:
            return
        conversation = await stack.enter_async_context(
            self._switchboard.open(
                attempt.task.id, pipes.hear, position=attempt.position(Stream.STDOUT)
            )
        )
        if payload.pty:
            outlet.show_to(conversation.show)

    async def _begin_records(self, payload: CommandPayload, outlet: Outlet) -> Records:
        records = Records(payload)
        await records.begin()
        if records.whole is not None:
            outlet.keep_whole(records.whole)
        return records

    def _pipes(self, outlet: Outlet, payload: CommandPayload) -> Pipes | Terminal:
        if payload.pty:
            return Terminal(outlet, payload.stdin)
        # Where nobody can send it anything its input has an end, or it would wait for ever.
        stays_open = payload.stdin_open and self._switchboard is not None
        return Pipes(outlet, payload.stdin, stays_open=stays_open)

    def _launch(
        self,
        payload: CommandPayload,
        env: Mapping[str, str],
        pipes: Pipes | Terminal,
        fences: Fences,
    ) -> Launch:
        return Launch(
            argv=payload.words,
            env=env,
            cwd=payload.cwd,
            files=pipes.files,
            fences=fences,
            control_group=self._settings.control_group,
            has_terminal=payload.pty,
        )

    def _environment(self, attempt: Attempt, payload: CommandPayload) -> dict[str, str]:
        """Return the variables of a command, but for those that say what others did."""
        task = attempt.task
        terminal = {"TERM": TERMINAL} if payload.pty else {}
        names = {"HIVE_TASK_ID": str(task.id), "HIVE_ATTEMPT": str(task.attempt)}
        return {**self._env, **terminal, **payload.env, **names}

    def _fences_of(self, limits: Limits, umask: str | None) -> Fences:
        return limits.fences(
            umask=None if umask is None else read_umask(umask),
            oom_score_adj=self._settings.oom_score_adj,
        )

    def _secrets_of(self, payload: CommandPayload, env: Mapping[str, str]) -> Secrets:
        names = (*self._settings.secret_names, *payload.secret_env)
        return Secrets.of(env, names=names, patterns=self._settings.secret_patterns)

    def _terms(self, payload: CommandPayload) -> Terms:
        return Terms(
            startup_seconds=_either(payload.startup_seconds, self._settings.startup_seconds),
            linger_seconds=_either(payload.linger_seconds, self._settings.linger_seconds),
            ready_text=payload.ready_text,
            result_text=payload.result_text,
        )


def _with_what_is_told(usage: dict[str, Any], overseer: Overseer | None) -> dict[str, Any]:
    return usage if overseer is None else usage | {**overseer.told()}


def _take_over(control_group: str | None) -> Collection[bytes] | None:
    """Make a control group ready for commands; return its controllers, None if there is none."""
    if control_group is None:
        return None
    try:
        remove_abandoned(control_group)
        return hand_on_controllers(control_group)
    except OSError as error:
        raise ConfigurationError(
            f"command.control_group is {control_group!r}, which is no control group of version 2"
            f" that this user may make others in: {error.strerror}"
        ) from error


def _answer_in(answers: Sequence[Question]) -> dict[str, str]:
    """Return the variables that tell the last answer, and to what; none if there is none."""
    if not answers:
        return {}
    return {QUESTION: answers[-1].question, ANSWER: answers[-1].answer or ""}


def _either(own: float | None, default: float) -> float:
    """Return what the task says, or the worker's word if it says nothing."""
    return default if own is None else own

"""The executor `command`: one program, its output, and nothing left behind.

What is covered:

- The whole tree of processes ends with the attempt: when the program ends, is cancelled or runs out
  of time, when the worker dies or freezes (see `guardian`), and also what has daemonised.
- Output is read as it comes, in bounded pieces; the attempt keeps a bounded part of it.
- The environment is what the settings let through, what the payload adds, `HIVE_TASK_ID`,
  `HIVE_ATTEMPT`, `HIVE_PARENTS` if asked for, and the guardian's marker.
- A clean exit is a success, whatever of the tree still held the pipes: that is killed and counted.

What is not:

- It is no sandbox: a program can read and write whatever the worker's user can, the network and the
  other tasks of that user included. It can also kill the guardian.
- What it has others start is not its tree: jobs handed to a container engine, a service manager,
  `at` or `cron` go on.
- A process that gains another user's rights (`sudo`) may not be killed by the worker's; its attempt
  then lasts as long as it does.
- A process that sheds session, parent and environment alike cannot be told from those of the
  worker's other running attempts, and lives until the last of these has ended; if the guardian is
  killed as well, the sweep does not find it.
- Memory, processor and number of processes are not limited: there are no control groups yet.
- Two pipes have no common order: stdout and stderr are each in order, and between them the time of
  arrival stands in. `peak_memory_bytes` is that of the largest single process, and never below the
  guardian's own 11 MB, because the kernel counts from the moment before the program is executed.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar, Self

from hive_contracts.errors import MalformedPayloadError, ServiceUnavailableError
from hive_contracts.execution import Attempt, Tools
from hive_contracts.outcomes import Failed, Outcome, Released
from hive_contracts.spawning import Exit, Launch, Process, Spawner
from hive_contracts.wire import decode_payload
from hive_process.endings import outcome_of, refusal_of
from hive_process.parents_file import parents_in_a_file
from hive_process.payload import CommandPayload, CommandSettings
from hive_process.pipes import Pipes

__all__ = ["CommandExecutor", "CommandPayload", "CommandSettings"]


class CommandExecutor:
    """Runs attempts of kind `command`. Satisfies `hive_contracts.execution.Executor`."""

    payload_type: ClassVar[type] = CommandPayload

    def __init__(
        self, *, spawner: Spawner, settings: CommandSettings, environment: Mapping[str, str]
    ) -> None:
        self._spawner = spawner
        self._grace_seconds = settings.grace_seconds
        self._env = {
            name: environment[name] for name in settings.env_allowed if name in environment
        }

    @classmethod
    @asynccontextmanager
    async def open(cls, tools: Tools) -> AsyncGenerator[Self]:
        """Make an executor over the worker's spawner."""
        settings = tools.settings_of(CommandSettings)
        yield cls(spawner=tools.spawner, settings=settings, environment=os.environ)

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
        async with AsyncExitStack() as stack:
            try:
                pipes = stack.enter_context(Pipes(attempt.write_output, payload.stdin))
                parents = await stack.enter_async_context(
                    parents_in_a_file(attempt, is_wanted=payload.parents)
                )
            except OSError as error:
                return Released(f"the worker could not make a pipe or a file: {error.strerror}")
            await attempt.announce_start()
            launch = self._launch(attempt, payload, pipes, parents)
            return await self._run(launch, payload, pipes)

    async def _run(self, launch: Launch, payload: CommandPayload, pipes: Pipes) -> Outcome:
        try:
            process = await self._spawner.spawn(launch)
        except OSError as error:
            return refusal_of(error, payload)
        except ServiceUnavailableError as error:
            return Released(str(error))
        pipes.begin()
        ended = await self._wait_or_stop(process, pipes)
        await pipes.finish()
        return outcome_of(ended, payload)

    def _launch(
        self, attempt: Attempt, payload: CommandPayload, pipes: Pipes, parents: Mapping[str, str]
    ) -> Launch:
        task = attempt.task
        names = {"HIVE_TASK_ID": str(task.id), "HIVE_ATTEMPT": str(task.attempt)}
        return Launch(
            argv=payload.words,
            env={**self._env, **payload.env, **names, **parents},
            cwd=payload.cwd,
            files=pipes.files,
        )

    async def _wait_or_stop(self, process: Process, pipes: Pipes) -> Exit:
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await self._stop(process)
            pipes.read_rest()
            raise

    async def _stop(self, process: Process) -> None:
        """Stop the tree, and return once nothing of it is left, however often this is cancelled."""
        ending = process.stop(grace_seconds=self._grace_seconds)
        while True:
            try:
                await ending
            except asyncio.CancelledError:
                # The stop has been asked for; what remains is to wait for it.
                ending = process.wait()
            else:
                return

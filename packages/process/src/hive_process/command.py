"""The executor `command`: one program, its output, and nothing left behind.

What is covered:

- The whole tree of processes ends with the attempt: when the program ends, is cancelled or runs out
  of time, when the worker dies or freezes (see `guardian`), and also what has daemonised.
- Output is read as it comes, in bounded pieces; the attempt keeps a bounded part of it.
- The environment is what the settings let through, what the payload adds, `HIVE_TASK_ID`,
  `HIVE_ATTEMPT`, and the guardian's marker.
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
import errno
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Final, Self

from hive_contracts.errors import MalformedPayloadError, ServiceUnavailableError
from hive_contracts.execution import Attempt, Stream, Tools
from hive_contracts.outcomes import Failed, Outcome, Released, Succeeded
from hive_contracts.spawning import Exit, Launch, Process, Spawner
from hive_contracts.wire import decode_payload
from hive_process.payload import CommandPayload, CommandSettings
from hive_process.pipes import InputPipe, OutputPipe

__all__ = ["CommandExecutor", "CommandPayload", "CommandSettings"]

_ENVIRONMENT_HAS_CHANGED: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""Refusals that say something of the machine at this moment, and nothing of the program."""


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
            ServiceUnavailableError: the guardian died under the process; what is left of it is
                found by the sweep, and until then nothing true can be said of its end.
        """
        try:
            payload = decode_payload("command", attempt.task.payload, CommandPayload)
        except MalformedPayloadError as error:
            return Failed(str(error), is_retryable=False)
        with ExitStack() as pipes:
            try:
                output = [pipes.enter_context(_output(attempt, stream)) for stream in Stream]
                stdin = pipes.enter_context(_input(payload))
            except OSError as error:
                return Released(f"no pipe could be made: {error.strerror}")
            await attempt.announce_start()
            launch = self._launch(attempt, payload, output, stdin)
            try:
                process = await self._spawner.spawn(launch)
            except OSError as error:
                return _refusal(error, payload)
            except ServiceUnavailableError as error:
                return Released(str(error))
            for pipe in (*output, *filter(None, (stdin,))):
                pipe.begin()
            ended = await self._end_of(process)
            for pipe in output:
                await pipe.finish()
        return _outcome(ended, payload)

"""Run a command in a workspace: check in, set up, the command itself, tear down, check out.

The lines of a setup and a teardown are commands like any other: their trees end, their output is
that of the attempt, and they are told what the command is told. A workspace that was set up before
is not set up again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from hive_contracts.errors import BusyWorkspaceError, RefusedWorkspaceError
from hive_contracts.execution import Attempt
from hive_contracts.outcomes import Cancelled, Failed, Outcome, Released, Succeeded
from hive_process.overseeing import Overseer
from hive_process.payload import CommandPayload
from hive_process.workspaces.lodging import PAUSE, Lodgings, Stay
from hive_process.workspaces.quota import Quota
from hive_process.workspaces.spec import WorkspaceSpec

__all__ = ["Execute", "Housing"]

Execute = Callable[[Attempt, CommandPayload, Quota | None, Overseer | None], Awaitable[Outcome]]
"""Runs one command of an attempt; quota and overseer are the command's own, and no step's."""


class Housing:
    """Runs attempts that have workspaces."""

    def __init__(self, lodgings: Lodgings, execute: Execute, *, teardown_seconds: float) -> None:
        self._lodgings = lodgings
        self._execute = execute
        self._teardown_seconds = teardown_seconds

    async def run(
        self,
        attempt: Attempt,
        payload: CommandPayload,
        spec: WorkspaceSpec,
        overseer: Overseer | None = None,
    ) -> Outcome:
        """Run an attempt to its end. Raises as an executor does."""
        await attempt.announce_start()
        told = {"argv": payload.argv, "shell": payload.shell}
        try:
            stay = await self._lodgings.check_in(attempt.task, spec, told)
        except BusyWorkspaceError as error:
            return Released(str(error), again_after=PAUSE)
        except RefusedWorkspaceError as error:
            return Failed(str(error))
        try:
            outcome = await self._live(attempt, _inside(payload, stay), stay, overseer)
        except BaseException:
            # Called off: it ends as whoever did so says, but the workspace is left in good order.
            await self._leave(attempt, payload, stay, Cancelled())
            raise
        return await self._leave(attempt, payload, stay, outcome)

    async def _leave(
        self, attempt: Attempt, payload: CommandPayload, stay: Stay, outcome: Outcome
    ) -> Outcome:
        try:
            await self._tear_down(attempt, payload, stay)
        except BaseException:
            await self._lodgings.check_out(attempt.task, stay, Cancelled())
            raise
        return await self._lodgings.check_out(attempt.task, stay, outcome)

    async def _live(
        self, attempt: Attempt, payload: CommandPayload, stay: Stay, overseer: Overseer | None
    ) -> Outcome:
        if stay.needs_setup:
            for line in stay.spec.setup:
                outcome = await self._execute(attempt, _step(payload, line, stay), None, None)
                if isinstance(outcome, Failed):
                    return replace(outcome, error=f"setup {line!r}: {outcome.error}")
                if not isinstance(outcome, Succeeded):
                    return outcome
            self._lodgings.note_ready(stay)
        most_bytes = stay.spec.most_bytes
        quota = None if most_bytes is None else Quota(stay.place, most_bytes)
        outcome = await self._execute(attempt, payload, quota, overseer)
        if quota is not None and quota.refusal is not None and isinstance(outcome, Failed):
            return replace(outcome, error=quota.refusal, names=("disk",))
        return outcome

    async def _tear_down(self, attempt: Attempt, payload: CommandPayload, stay: Stay) -> None:
        try:
            async with asyncio.timeout(self._teardown_seconds):
                for line in stay.spec.teardown:
                    step = _step(_inside(payload, stay), line, stay)
                    await self._execute(attempt, step, None, None)
        except TimeoutError:
            return


def _inside(payload: CommandPayload, stay: Stay) -> CommandPayload:
    """Return the command as it runs in its workspace."""
    cwd = stay.place / (payload.cwd or "")
    return replace(payload, cwd=str(cwd), env={**payload.env, **stay.env}, workspace=None)


def _step(payload: CommandPayload, line: str, stay: Stay) -> CommandPayload:
    """Return a line of a setup or teardown as a command, with the environment of the real one."""
    return CommandPayload(
        argv=("/bin/sh", "-c", line),
        cwd=str(stay.place),
        env=payload.env,
        secret_env=payload.secret_env,
        limits=payload.limits,
        umask=payload.umask,
        startup_seconds=0,
        linger_seconds=0,
    )

"""`hive run`: run a command as a durable task, and watch it as if it ran here."""

from typing import Annotated

import typer

from hive.options import Options, with_options
from hive.task_options import (
    After,
    Cwd,
    Env,
    ExpiresIn,
    IfParentFails,
    Key,
    Limits,
    LingerTimeout,
    Needs,
    NoRerun,
    Priority,
    Queue,
    Shell,
    SilenceTimeout,
    StartupTimeout,
    Timeout,
    WhenBusy,
)
from hive.workspace_options import SaidWorkspace, with_workspace

__all__ = ["EPILOG", "run"]

EPILOG = (
    "Exit code: the command's own, or 128 + n if signal n ended it. Hive's own: 121 cancelled, "
    "122 lost (its workers died), 123 detached by Ctrl-C, 124 timed out, 125 not queued or not "
    "started. Ctrl-C detaches and the task goes on; twice cancels it."
)


@with_options
@with_workspace
def run(
    options: Options,
    room: SaidWorkspace,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="What to run, and its arguments.")
    ],
    *,
    cwd: Cwd = None,
    env: Env = None,
    shell: Shell = False,
    timeout: Timeout = None,
    silence_timeout: SilenceTimeout = None,
    startup_timeout: StartupTimeout = None,
    linger_timeout: LingerTimeout = None,
    limit: Limits = None,
    queue: Queue = "default",
    priority: Priority = 0,
    no_rerun: NoRerun = False,
    key: Key = None,
    when_busy: WhenBusy = "wait",
    expires_in: ExpiresIn = None,
    after: After = None,
    if_parent_fails: IfParentFails = "cancel",
    needs: Needs = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell id and end, also off a terminal.")
    ] = False,
) -> None:
    """Run a command on a worker, show its output live, and exit with its exit code.

    \b
    Examples:
      hive run --timeout 10m -- make test
      hive run --repo .@main --setup 'make deps' -- make test
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.endings import told  # noqa: PLC0415
    from hive.submitting.running import run_and_watch  # noqa: PLC0415
    from hive.submitting.said import SaidTask, command_payload, task_of  # noqa: PLC0415
    from hive.submitting.workspaces import room_of  # noqa: PLC0415
    from hive.tasks.exit_codes import NO_EXIT_CODE  # noqa: PLC0415

    # Every other code is one the command itself might end with.
    with told(failed=NO_EXIT_CODE, used_wrongly=NO_EXIT_CODE):
        words = {"argv": [" ".join(command)] if shell else command, "shell": shell}
        if after is not None:
            words |= {"parents": True}
        given = room_of(room, cwd)
        terms = command_payload(
            cwd=cwd, env=env or [], limits=limit, startup_timeout=startup_timeout,
            linger_timeout=linger_timeout, room=given,
        )  # fmt: skip
        said = SaidTask(
            kind="command", payload=words | terms, queue=queue, priority=priority, timeout=timeout,
            silence_timeout=silence_timeout, no_rerun=no_rerun, key=key or given.key,
            when_busy=when_busy, expires_in=expires_in, after=after,
            if_parent_fails=if_parent_fails, needs=needs or (),
        )  # fmt: skip
        code = asyncio.run(run_and_watch(options.settings(), task_of(said), is_verbose=verbose))
    raise typer.Exit(code)

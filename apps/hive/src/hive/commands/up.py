"""`hive up`: everything that Hive needs on one machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hive.commands.worker import Allow
from hive.options import Json, Options, with_options
from hive.setting_out import setting_out

if TYPE_CHECKING:
    from hive.settings import Settings
    from hive.up_state import Invitation, UpState

__all__ = ["up"]

TOLD_ELSEWHERE: Final = ("services.data_dir", "services.listen")
"""The first is where it was found; of the other `up` says more."""


@with_options
def up(
    options: Options,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is up; it goes on running.")
    ] = False,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="ADDRESS",
            help="Let other machines join, over this address of this one.",
        ),
    ] = None,
    allow: Allow = None,
    json: Json = False,
) -> None:
    """Start Postgres, Redis, a queen and workers on this machine, and keep them running.

    Example: hive up -d

    Servers named by HIVE_DATABASE_URL and HIVE_REDIS_URL are used instead of local ones.
    Running it again changes nothing. With --listen it writes a file with which another machine can
    join; without, it listens on no port.
    """
    with setting_out():
        from hive import up_state  # noqa: PLC0415
        from hive.allowing import allowed  # noqa: PLC0415
        from hive.printing import say  # noqa: PLC0415

        settings = allowed(options.settings(services__listen=listen), allow)
    data_dir = settings.services.data_dir
    state, is_ours = up_state.read(data_dir), False
    if state is None and not detach:
        _stay_up(settings, json=json)
        return
    if state is None:
        from hive.detaching import start_detached  # noqa: PLC0415

        detached = start_detached(settings)
        state, is_ours = detached.state, detached.is_ours
    if not is_ours:
        say(f"hive: it is up already, under process {state.identity.pid}; nothing was started")
    _show(state, data_dir, json=json)
    if not is_ours:
        _tell_what_was_not_applied(settings)
        _refuse_to_move(state, settings)
    elif any(process.pid is None for process in state.processes):
        raise typer.Exit(1)


def _stay_up(settings: "Settings", *, json: bool) -> None:
    with setting_out():
        import asyncio  # noqa: PLC0415

        from hive.inviting import invite, withdraw  # noqa: PLC0415
        from hive.local_plan import local_plan  # noqa: PLC0415
        from hive.parenthood import announce_ready  # noqa: PLC0415
        from hive.printing import say  # noqa: PLC0415
        from hive.supervisor import Supervisor  # noqa: PLC0415

    def on_up(state: "UpState") -> None:
        if state.invitation is not None:
            invite(settings, state.invitation)
        elif plan.servers:
            # Without servers of its own it has written none; one that is there is another Hive's.
            withdraw(settings.services.data_dir)
        _show(state, settings.services.data_dir, json=json)
        announce_ready()

    plan = local_plan(settings)
    supervisor = Supervisor(plan, report=lambda line: say(f"hive: {line}"), on_up=on_up)
    # Not by `run_main`: it counts its signals itself.
    asyncio.run(supervisor.run())


def _tell_what_was_not_applied(settings: "Settings") -> None:
    from hive.printing import say  # noqa: PLC0415
    from hive.sources import COMMAND_LINE  # noqa: PLC0415

    keys = [
        given.key
        for given in settings.given.values()
        if given.origin == COMMAND_LINE and given.key not in TOLD_ELSEWHERE
    ]
    if keys:
        say(f"hive: not applied: {', '.join(keys)}; to apply it: hive down, then the same again")


def _refuse_to_move(state: "UpState", settings: "Settings") -> None:
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    wanted = settings.services.listen
    address = state.invitation.address if state.invitation else None
    if wanted is not None and wanted != address:
        raise ConfigurationError(
            f"it goes on listening {f'at {address}' if address else 'for no other machine'}; to"
            f" have it listen at {wanted}: hive down, then hive up -d --listen {wanted}"
        )


def _show(state: "UpState", data_dir: Path, *, json: bool) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from hive.printing import say, show_table  # noqa: PLC0415
    from hive_contracts.addresses import without_password  # noqa: PLC0415

    # What is said here also goes into the log of a detached supervisor.
    state = replace(
        state,
        database_url=without_password(state.database_url),
        redis_url=without_password(state.redis_url),
    )
    if json:
        _show_as_json(state, data_dir)
        return
    rows = [
        [process.name, _condition(process.pid, process.last_exit, is_ready=process.is_ready),
         str(process.pid or "-"), process.log]
        for process in state.processes
    ]  # fmt: skip
    show_table(["process", "state", "pid", "log"], rows)
    say(f"\nfiles:  {data_dir}")
    say("python: export HIVE_DATABASE_URL='" + state.database_url + "'")
    say("        export HIVE_REDIS_URL='" + state.redis_url + "'")
    if state.invitation is not None:
        _show_invitation(state.invitation, data_dir)
    say("next:   hive run -- echo hello         give it something to do")
    say("        hive status                    see how it does")
    say("        hive down                      stop it")


def _show_as_json(state: "UpState", data_dir: Path) -> None:
    from dataclasses import asdict  # noqa: PLC0415

    from hive.inviting import join_file  # noqa: PLC0415
    from hive.printing import show_json  # noqa: PLC0415

    plain = asdict(state)
    if state.invitation is not None:
        plain["invitation"] = {
            "address": state.invitation.address,
            "join_file": join_file(data_dir),
        }
    show_json(plain)


def _show_invitation(invitation: "Invitation", data_dir: Path) -> None:
    from hive.inviting import doorways, is_exposed, join_file  # noqa: PLC0415
    from hive.printing import say  # noqa: PLC0415

    path = join_file(data_dir)
    say(f"        *** stands for a password, which {path} has")
    say(f"join:   it listens at {doorways(invitation)} for other machines;")
    say("        to let one join, copy the file there, and type there the second line:")
    say(f"        scp {path} MACHINE:")
    say(f"        hive join {path.name}")
    if is_exposed(invitation.address):
        say(
            f"        Warning: {invitation.address} may be reached from anywhere, and nothing is"
            " encrypted: use a\n        private network, a VPN or an ssh tunnel instead"
        )


def _condition(pid: int | None, last_exit: str | None, *, is_ready: bool) -> str:
    if pid is None:
        return last_exit or "not started"
    return "ready" if is_ready else "starting"

"""`hive up`: everything that Hive needs on one machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hive.options import Json, Options, with_options

if TYPE_CHECKING:
    from hive.settings import Settings
    from hive.up_state import UpState

__all__ = ["up"]


@with_options
def up(
    options: Options,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is up; it goes on running.")
    ] = False,
    json: Json = False,
) -> None:
    """Start Postgres, Redis, a queen and workers on this machine, and keep them running.

    Servers named by HIVE_DATABASE_URL and HIVE_REDIS_URL are used instead of local ones.
    Running it again changes nothing.
    """
    from hive import up_state  # noqa: PLC0415
    from hive.printing import say  # noqa: PLC0415

    settings = options.settings()
    data_dir = settings.services.data_dir
    if (state := up_state.read(data_dir)) is not None:
        say(f"hive: it is up already, under process {state.identity.pid}; nothing was started")
        _show(state, data_dir, json=json)
    elif detach:
        from hive.detaching import start_detached  # noqa: PLC0415

        state = start_detached(settings)
        _show(state, data_dir, json=json)
        if any(process.pid is None for process in state.processes):
            raise typer.Exit(1)
    else:
        _stay_up(settings, json=json)


def _stay_up(settings: "Settings", *, json: bool) -> None:
    import asyncio  # noqa: PLC0415

    from hive.local_plan import local_plan  # noqa: PLC0415
    from hive.parenthood import announce_ready  # noqa: PLC0415
    from hive.printing import say  # noqa: PLC0415
    from hive.supervisor import Supervisor  # noqa: PLC0415

    def on_up(state: "UpState") -> None:
        _show(state, settings.services.data_dir, json=json)
        announce_ready()

    supervisor = Supervisor(
        local_plan(settings), report=lambda line: say(f"hive: {line}"), on_up=on_up
    )
    asyncio.run(supervisor.run())


def _show(state: "UpState", data_dir: Path, *, json: bool) -> None:
    from dataclasses import asdict  # noqa: PLC0415

    from hive.printing import say, show_json, show_table  # noqa: PLC0415

    if json:
        show_json(asdict(state))
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
    say("next:   hive run -- echo hello         give it something to do")
    say("        hive status                    see how it does")
    say("        hive down                      stop it")


def _condition(pid: int | None, last_exit: str | None, *, is_ready: bool) -> str:
    if pid is None:
        return last_exit or "not started"
    return "ready" if is_ready else "starting"

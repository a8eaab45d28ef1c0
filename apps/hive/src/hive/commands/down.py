"""`hive down`: stop what `hive up` keeps running, and delete what it has kept if that is wanted."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hive.options import Json, Options, with_options

if TYPE_CHECKING:
    from hive.purging import Estate
    from hive.settings import Settings
    from hive.up_state import UpState

__all__ = ["down"]

BEYOND_WORKERS_SECONDS: Final = 60.0
"""What a queen, a Postgres and a Redis may take to stop, after the workers."""


@with_options
def down(
    options: Options,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for running tasks; they will run again.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Then delete its tasks, logs and all its files.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --purge: do not ask.")] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="The same, for the directory NAME only."),
    ] = None,
    json: Json = False,
) -> None:
    """Stop what `hive up` started here: the workers (which finish or give back), then the rest.

    Example: hive down --now

    Tasks stay where they are and go on at the next `hive up`, unless --purge deletes them. Running
    it again changes nothing.
    """
    from hive import up_state  # noqa: PLC0415
    from hive.printing import say, show_json  # noqa: PLC0415

    settings = options.settings()
    data_dir = settings.services.data_dir
    # Asked before anything is stopped: a "no" leaves all as it was.
    estate = _to_be_purged(settings, is_agreed=yes, named=confirm) if purge else None
    state = up_state.read(data_dir)
    if state is None:
        say(f"hive: nothing runs in {data_dir}")
    else:
        _stop(state, seconds=_patience_seconds(settings, now=now), now=now)
        names = ", ".join(["the supervisor", *(process.name for process in state.processes)])
        say(f"hive: stopped {names}")
    deleted = [] if estate is None else _purge(settings, estate)
    if json:
        stopped = None if state is None else state.identity.pid
        show_json({"stopped": stopped} | ({"deleted": deleted} if purge else {}))


def _patience_seconds(settings: "Settings", *, now: bool) -> float:
    workers = settings.worker_hurry_seconds if now else settings.worker_stop_seconds
    return workers + BEYOND_WORKERS_SECONDS


def _stop(state: "UpState", *, seconds: float, now: bool) -> None:
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from hive import identity  # noqa: PLC0415
    from hive_contracts.errors import ServiceUnavailableError  # noqa: PLC0415

    descriptor = state.identity.open()
    if descriptor is None:
        return
    try:
        identity.send(descriptor, signal.SIGTERM)
        if now:
            identity.send(descriptor, signal.SIGINT)
        if not identity.wait(descriptor, seconds=seconds):
            raise ServiceUnavailableError(
                f"process {state.identity.pid} is still stopping after {seconds:g} s;"
                " `hive down --now` ends what it waits for"
            )
    finally:
        os.close(descriptor)


def _to_be_purged(settings: "Settings", *, is_agreed: bool, named: str | None) -> "Estate | None":
    from hive.confirming import confirm  # noqa: PLC0415
    from hive.printing import say  # noqa: PLC0415
    from hive.purging import estate_of  # noqa: PLC0415
    from hive_contracts.addresses import without_password  # noqa: PLC0415

    data_dir = settings.services.data_dir
    estate = estate_of(data_dir)
    if estate is None:
        say(f"hive: there is no {data_dir}; nothing is deleted")
        return None
    if settings.database.url is not None:
        kept = without_password(settings.database.url)
        say(f"hive: tasks are in {kept} and stay there; only files of this machine are deleted")
    root = settings.placed_workspaces.root
    is_elsewhere = root is not None and not root.is_relative_to(data_dir.absolute())
    also = f", and its workspaces in {root}" if is_elsewhere else ""
    confirm(
        f"delete the Hive in {data_dir} with everything it keeps there{also}",
        name=data_dir.name,
        is_agreed=is_agreed,
        named=named,
    )
    return estate


def _purge(settings: "Settings", estate: "Estate") -> list[str]:
    from hive.printing import say  # noqa: PLC0415
    from hive.purging import estate_of, purge  # noqa: PLC0415

    # Anew: stopping has taken some files away, and written others.
    found = estate_of(estate.data_dir)
    if found is None:
        return []
    purge(found, workspaces=settings.placed_workspaces.root)
    if found.foreign:
        names = ", ".join(entry.name for entry in found.foreign)
        say(f"hive: deleted the Hive in {found.data_dir}; kept what is not Hive's: {names}")
    else:
        say(f"hive: deleted {found.data_dir} and everything in it")
    return [str(entry) for entry in found.own]

"""`hive down`: stop what `hive up` keeps running."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hive.options import Json, Options, with_options

if TYPE_CHECKING:
    from hive.up_state import UpState

__all__ = ["down"]

BEYOND_GRACE_SECONDS: Final = 60.0
"""What a queen, a Postgres and a Redis may take to stop, after the workers."""

AT_ONCE_SECONDS: Final = 30.0


@with_options
def down(
    options: Options,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for running tasks; they will run again.")
    ] = False,
    json: Json = False,
) -> None:
    """Stop what `hive up` started here: the workers (which finish or give back), then the rest.

    Tasks stay where they are and go on at the next `hive up`. Running it again changes nothing.
    """
    from hive import up_state  # noqa: PLC0415
    from hive.printing import say, show_json  # noqa: PLC0415

    settings = options.settings()
    state = up_state.read(settings.services.data_dir)
    if state is None:
        say(f"hive: nothing runs in {settings.services.data_dir}")
    else:
        _stop(state, grace_seconds=settings.worker_stop_seconds, now=now)
        names = ", ".join(["the supervisor", *(process.name for process in state.processes)])
        say(f"hive: stopped {names}")
    if json:
        show_json({"stopped": None if state is None else state.identity.pid})


def _stop(state: "UpState", *, grace_seconds: float, now: bool) -> None:
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
        seconds = AT_ONCE_SECONDS if now else grace_seconds + BEYOND_GRACE_SECONDS
        if not identity.wait(descriptor, seconds=seconds):
            raise ServiceUnavailableError(
                f"process {state.identity.pid} is still stopping after {seconds:g} s;"
                " `hive down --now` ends what it waits for"
            )
    finally:
        os.close(descriptor)

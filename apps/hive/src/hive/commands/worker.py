"""`hive worker`: run tasks."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hive.options import Options, with_options
from hive.running import run_main
from hive.setting_out import setting_out

if TYPE_CHECKING:
    from hive.settings import Settings

__all__ = ["Allow", "Labels", "Processes", "Queues", "Slots", "flags_of_a_worker", "work", "worker"]

Queues: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[QUEUE]...", help="Queues to serve.")
]
Labels: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="LABEL", help="What it has, for tasks that need it."),
]
Slots: TypeAlias = Annotated[
    int | None, typer.Option("--slots", help="Most tasks that a process runs at once.")
]
Processes: TypeAlias = Annotated[
    int | None, typer.Option("--processes", help="How many worker processes to run.")
]
Allow: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="MODULE", help="Let `call` tasks call its functions."),
]


@with_options
def worker(
    options: Options,
    queues: Queues = None,
    *,
    async_mode: Annotated[
        bool,
        typer.Option("--async/--sync", help="Many tasks at once, or one after another."),
    ] = True,
    slots: Slots = None,
    processes: Processes = None,
    label: Labels = None,
    allow: Allow = None,
) -> None:
    """Run tasks, until told to stop: then finish what runs, and give back the rest.

    \b
    Examples:
      hive worker images --slots 8
      hive worker --label gpu --label zone=eu

    --sync runs one task after another, claimed straight from Postgres without a queen: for
    debugging, and to compare with. Leases of dead workers come back only where a queen runs.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    with setting_out():
        from hive.allowing import allowed  # noqa: PLC0415 - `hive --help` must not pay for it

        flags = flags_of_a_worker(queues, slots=slots, processes=processes, labels=label)
        settings = allowed(options.settings(**flags), allow)
    work(settings, is_async=async_mode)


def flags_of_a_worker(
    queues: list[str] | None,
    *,
    slots: int | None,
    processes: int | None,
    labels: list[str] | None,
) -> dict[str, object]:
    """Return what the flags of a worker say about settings, for `Options.settings`.

    Raises:
        ConfigurationError: a label is empty.
    """
    if labels and not all(label.strip() for label in labels):
        from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

        raise ConfigurationError("--label needs a label, such as gpu; it got an empty one")
    return {
        "worker__queues": ",".join(queues) if queues else None,
        "worker__slots": slots,
        "worker__processes": processes,
        "worker__labels": ",".join(labels) if labels else None,
    }


def work(settings: "Settings", *, is_async: bool) -> None:
    """Be a worker, or several, until told to stop."""
    if settings.worker.processes > 1:
        with setting_out():
            from hive.multiplying import run_copies  # noqa: PLC0415

        raise typer.Exit(run_copies(settings.worker.processes, settings, is_async=is_async))
    with setting_out():
        import uvloop  # noqa: PLC0415 - `hive --help` must not pay for it

        from hive.wiring import run_worker  # noqa: PLC0415

    run_main(run_worker(settings, is_async=is_async), new_loop=uvloop.new_event_loop)

"""`hive join`: run tasks here for the Hive of another machine."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hive.commands.worker import Allow, Labels, Processes, Queues, Slots, flags_of_a_worker, work
from hive.options import Options, with_options
from hive.running import run_main
from hive.setting_out import setting_out

__all__ = ["join"]


@with_options
def join(
    options: Options,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What `hive up --listen` has written on that machine."),
    ],
    queues: Queues = None,
    *,
    slots: Slots = None,
    processes: Processes = None,
    label: Labels = None,
    allow: Allow = None,
) -> None:
    """Run tasks here for the Hive of another machine, until told to stop, as `hive worker` does.

    Example: hive join join.toml --slots 8

    There, `hive up --listen ADDRESS` writes the file; copy it here, readable for nobody else. The
    other commands take it too: HIVE_CONFIG=FILE hive status
    """
    with setting_out():
        from hive.allowing import allowed  # noqa: PLC0415
        from hive.joining import check_file, check_servers, meet  # noqa: PLC0415
        from hive.printing import say  # noqa: PLC0415

    check_file(file)
    flags = flags_of_a_worker(queues, slots=slots, processes=processes, labels=label)
    settings = allowed(replace(options, config=file).settings(**flags), allow)
    check_servers(settings, file)
    for line in run_main(meet(settings, file)):
        say(f"hive: {line}")
    work(settings, is_async=True)

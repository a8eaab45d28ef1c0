"""`hive reject`: send a task's work back."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["reject"]


@with_options
def reject(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    *,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="WHY", help="Its command is told so.")
    ],
    json: Json = False,
) -> None:
    """Send a task's work back: its command runs again where it left off, and is told why.

    Another task does that, whose id is printed; it has the comment in HIVE_COMMENT, and in the
    file that HIVE_TASK_FILE names.

    Example: hive reject 7 -m "the tests do not pass"
    """
    from hive.reviewing.rejecting import reject_work  # noqa: PLC0415
    from hive_contracts.ids import TaskId  # noqa: PLC0415

    run_main(reject_work(options.settings(), TaskId(task), message, as_json=json))

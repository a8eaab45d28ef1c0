"""`hive answer`: answer what a task asks."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "answer"]

EPILOG = (
    "`hive list --needs-you` lists the tasks that ask. The task is queued at once, and its next"
    " attempt finds the answer: a function with read_answers(), a command in HIVE_ANSWER (and the"
    " question in HIVE_QUESTION). `hive audit` tells who answered what. Exit code: 0, or 2 if it"
    " asks nothing or takes only other answers."
)


@with_options
def answer(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="The answer; - reads it from standard input."),
    ],
    *,
    json: Json = False,
) -> None:
    """Answer what a task asks, and let it go on.

    Example: hive answer 12 yes, but keep the backups
    """
    from hive.acting.answering import answer_task  # noqa: PLC0415
    from hive.standard_input import read_standard_input  # noqa: PLC0415

    said = " ".join(text)
    if said == "-":
        said = read_standard_input().decode(errors="replace").rstrip("\n")
    run_main(answer_task(options.settings(), task, said, as_json=json))

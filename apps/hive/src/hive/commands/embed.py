"""`hive embed`: vectors of texts from a model of this machine, without a queue."""

from typing import Annotated

import typer

from hive.completing import models
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "embed"]

EPILOG = (
    "As a task, on any worker: "
    'hive submit embed --payload \'{"model": "NAME", "texts": ["TEXT"]}\' --wait'
)


@with_options
def embed(
    options: Options,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="What to embed; else lines of standard input."),
    ] = None,
    *,
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME|FOLDER", help="Which model.", autocompletion=models),
    ],
    json: Json = False,
) -> None:
    """Print a vector of length 1 for each text, a JSON list a line, here and now.

    Example: hive embed --model ./my-encoder "a bee" "a wasp"
    """
    from hive.inferring.embedding import embed_here  # noqa: PLC0415
    from hive.standard_input import standard_input  # noqa: PLC0415

    lines = texts or (line.rstrip("\n") for line in standard_input())
    run_main(embed_here(options.settings().inference, model, lines, as_document=json))

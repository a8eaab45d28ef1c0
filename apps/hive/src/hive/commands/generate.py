"""`hive generate`: a text from a model of this machine, without a queue."""

from typing import Annotated

import typer

from hive.completing import models
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "generate"]

EPILOG = (
    "As a task, on any worker: "
    'hive submit generate --payload \'{"model": "NAME", "prompt": "TEXT"}\''
)


@with_options
def generate(
    options: Options,
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What it goes on from; - is standard input.")
    ],
    *,
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME|FOLDER", help="Which model.", autocompletion=models),
    ],
    seed: Annotated[
        int | None, typer.Option("--seed", help="The same seed says the same; else one is drawn.")
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="How long it gets.")] = 200,
    temperature: Annotated[
        float, typer.Option("--temperature", help="0 is always the likeliest; more is wilder.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="N", help="Only the N likeliest tokens.")
    ] = None,
    top_p: Annotated[
        float, typer.Option("--top-p", metavar="P", help="Only the likeliest that make up P.")
    ] = 1.0,
    repetition_penalty: Annotated[
        float, typer.Option("--repetition-penalty", help="Above 1, it repeats itself less.")
    ] = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="It ends before TEXT.")
    ] = None,
    json: Json = False,
) -> None:
    """Generate a text here and now, and print it while it comes.

    Example: hive generate --model ./my-model --seed 7 "Once upon a time"
    """
    from hive.inferring.generating import generate_here  # noqa: PLC0415
    from hive.standard_input import read_standard_input  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415
    from hive_generation.generate import GeneratePayload  # noqa: PLC0415

    if prompt == "-":
        prompt = read_standard_input().decode("utf-8", "replace")
    try:
        payload = GeneratePayload(
            model=model, prompt=prompt, seed=seed, max_tokens=max_tokens, temperature=temperature,
            top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty, stop=stop or [],
        )  # fmt: skip
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    run_main(generate_here(options.settings().inference, payload, as_json=json))

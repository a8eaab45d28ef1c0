"""`hive verse`: sonnets, haiku and prose on this machine, without a queue."""

from typing import Annotated, Final, TypeAlias

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

Prompt: TypeAlias = Annotated[
    str, typer.Argument(metavar="PROMPT", help="What is heard; - is standard input.")
]
Seed: TypeAlias = Annotated[
    int | None, typer.Option("--seed", help="The same seed says the same; else one is drawn.")
]
Temperature: TypeAlias = Annotated[
    float | None,
    typer.Option("--temperature", help="More is wilder; else the latest exchange suggests one."),
]

EPILOG: Final = 'As a task, on any worker: hive submit sonnet --payload \'{"prompt": "TEXT"}\''

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode=None, epilog=EPILOG)


@app.callback()
def verse() -> None:
    """Write verse here and now, with the model that Hive brings; its clouds remember it.

    Example: hive verse sonnet --seed 7 "the sea at night"
    """


@app.command("sonnet")
@with_options
def sonnet(
    options: Options,
    prompt: Prompt,
    *,
    temperature: Annotated[
        float, typer.Option("--temperature", help="More is wilder; above 1.2 words fall apart.")
    ] = 0.8,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Write fourteen lines about the first words of PROMPT that say something.

    Example: hive verse sonnet --seed 7 "love and time"
    """
    from hive.inferring.versifying import Wanted, tell  # noqa: PLC0415

    wanted = Wanted("sonnet", prompt, temperature, seed, as_json=json)
    run_main(tell(options.settings(), wanted))


@app.command("haiku")
@with_options
def haiku(
    options: Options,
    prompt: Prompt,
    *,
    temperature: Temperature = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Say 5, 7 and 5 syllables to PROMPT, without a model.

    Example: hive verse haiku "winter sea"
    """
    from hive.inferring.versifying import Wanted, tell  # noqa: PLC0415

    wanted = Wanted("haiku", prompt, temperature, seed, as_json=json)
    run_main(tell(options.settings(), wanted))


@app.command("prose")
@with_options
def prose(
    options: Options,
    prompt: Prompt,
    *,
    temperature: Temperature = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Write sentences that go on from what was said last; PROMPT only disturbs them.

    Example: hive verse prose "a stranger at the gate"
    """
    from hive.inferring.versifying import Wanted, tell  # noqa: PLC0415

    wanted = Wanted("prose", prompt, temperature, seed, as_json=json)
    run_main(tell(options.settings(), wanted))


@app.command("cascade")
@with_options
def cascade(options: Options, prompt: Prompt, *, seed: Seed = None, json: Json = False) -> None:
    """Have all three speak at once, and draw one sentence from what they said.

    Example: hive verse cascade "the year is old"
    """
    from hive.inferring.versifying import tell_cascade  # noqa: PLC0415

    run_main(tell_cascade(options.settings(), prompt, seed=seed, as_json=json))


@app.command("stats")
@with_options
def stats(options: Options, *, json: Json = False) -> None:
    """Show what the clouds of this machine remember.

    Example: hive verse stats
    """
    from hive.inferring.versifying import tell_stats  # noqa: PLC0415

    run_main(tell_stats(options.settings(), as_json=json))

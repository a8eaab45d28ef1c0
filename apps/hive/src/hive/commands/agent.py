"""`hive agent`: have a coding agent do something, as a durable task."""

from typing import Annotated

import typer

from hive.command_options import CommandFlags
from hive.options import Options, with_options
from hive.running import run_main
from hive.task_options import FlagsOfOne

__all__ = ["EPILOG", "agent"]

EPILOG = (
    "What the agent gives as its result is printed, what it says before goes to standard error."
    " Exit code: 0 if it succeeded, 1 if it failed; Hive's own as of `hive run`. Ctrl-C detaches"
    " and the task goes on; twice cancels it. Profiles and budgets: docs/agents.md."
)


@with_options
def agent(
    options: Options,
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to do; - is standard input.")
    ],
    *,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help="Which agent.")
    ] = "claude",
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Which model it is to use.")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="LIMIT",
            help="Most it may use: 5usd, 200ktokens, 30turns or 20m; repeatable.",
        ),
    ] = None,
    may_ask: Annotated[
        bool, typer.Option("--may-ask", help="Tell it how to ask, and wait for the answer.")
    ] = False,
    argument: Annotated[
        list[str] | None,
        typer.Option("--argument", metavar="WORD", help="One more for its program; repeatable."),
    ] = None,
    terms: CommandFlags,
    task: FlagsOfOne,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Print the task's id, and do not wait.")
    ] = False,
) -> None:
    """Have a coding agent do something, and print what it gives as its result.

    \b
    Examples:
      hive agent --repo . --budget 2usd 'fix the failing test in tests/test_io.py'
      hive agent --profile scripted 'say hello'
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.agents.ordering import profile_named, said_agent  # noqa: PLC0415
    from hive.agents.running import run_agent  # noqa: PLC0415
    from hive.endings import told  # noqa: PLC0415
    from hive.standard_input import read_standard_input  # noqa: PLC0415
    from hive.submitting.said import task_of  # noqa: PLC0415
    from hive.tasks.exit_codes import NO_EXIT_CODE  # noqa: PLC0415

    with told(failed=NO_EXIT_CODE, used_wrongly=NO_EXIT_CODE):
        if prompt == "-":
            prompt = read_standard_input().decode("utf-8", "replace")
        wishes = {
            "prompt": prompt, "model": model, "arguments": argument, "may_ask": may_ask,
        }  # fmt: skip
        settings = options.settings()
        said = said_agent(settings, profile, task, terms, budget=budget or (), wishes=wishes)
        known = profile_named(settings, profile)
        code = run_main(run_agent(settings, task_of(said), known, is_detached=detach))
    raise typer.Exit(code)

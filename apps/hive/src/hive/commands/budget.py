"""`hive budget`: how much groups, queues and the whole Hive may spend."""

from typing import Annotated, Final, TypeAlias

import typer

from hive.completing import queues
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

OfGroup: TypeAlias = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="Of this group.")
]
OfQueue: TypeAlias = Annotated[
    str | None,
    typer.Option("--queue", metavar="NAME", help="Of this queue.", autocompletion=queues),
]
OfAll: TypeAlias = Annotated[bool, typer.Option("--all", help="Of the whole Hive.")]
Daily: TypeAlias = Annotated[
    bool, typer.Option("--daily", help="Of each day in UTC; without it, in all.")
]

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def budget() -> None:
    """Say how much money, tokens and turns groups, queues and the whole Hive may spend.

    Example: hive budget set --queue agents --daily 20usd
    """


@app.command("set")
@with_options
def set_budget(
    options: Options,
    amounts: Annotated[
        list[str], typer.Argument(metavar="AMOUNT...", help="As in 60usd, 2Mtokens, 100turns.")
    ],
    *,
    group: OfGroup = None,
    queue: OfQueue = None,
    everything: OfAll = False,
    daily: Daily = False,
) -> None:
    """Set a budget, or set it anew; what it had set aside goes on if there is room again.

    \b
    Examples:
      hive budget set --group nightly 60usd
      hive budget set --queue agents --daily 20usd 5Mtokens

    What runs stops when it hears of it, within seconds; nothing else of it begins.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.money import read_amounts  # noqa: PLC0415
    from hive.steering import budgeting  # noqa: PLC0415

    meant = budgeting.read_budget(group=group, queue=queue, everything=everything, daily=daily)
    wanted = read_amounts(meant, amounts, flag="AMOUNT")
    run_main(budgeting.set_budget(options.settings(), wanted))


@app.command("list")
@with_options
def list_budgets(options: Options, *, json: Json = False) -> None:
    """List the budgets, and what is spent of each.

    Example: hive budget list
    """
    from hive.steering import budgeting  # noqa: PLC0415

    run_main(budgeting.list_budgets(options.settings(), as_json=json))


@app.command("remove")
@with_options
def remove_budget(
    options: Options,
    *,
    group: OfGroup = None,
    queue: OfQueue = None,
    everything: OfAll = False,
    daily: Daily = False,
) -> None:
    """Lift a budget; what it had set aside goes on.

    Example: hive budget remove --queue agents --daily
    """
    from hive.steering import budgeting  # noqa: PLC0415

    meant = budgeting.read_budget(group=group, queue=queue, everything=everything, daily=daily)
    run_main(budgeting.remove_budget(options.settings(), meant))

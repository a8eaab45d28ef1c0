"""`hive demo`: see Hive do its main job on real input."""

from typing import Annotated

import typer

from hive.options import Json
from hive.running import run_main

__all__ = ["demo"]


def demo(
    *,
    tasks: Annotated[
        int | None, typer.Option("--tasks", metavar="N", help="Only so many, for a quicker run.")
    ] = None,
    agents: Annotated[
        bool, typer.Option("--agents", help="Show coding agents instead; needs no key.")
    ] = False,
    json: Json = False,
) -> None:
    """Run over a thousand real tasks on a Hive of its own, and kill a worker half-way.

    Example: hive demo --tasks 100

    With --agents ten coding agents, which are acted, do what agents do and do wrong.

    Each module of Python's standard library is compiled by a process and counted by a function;
    then every result is checked. What it starts and writes is gone at the end.
    """
    from hive.demonstration.agents import give_agents  # noqa: PLC0415
    from hive.demonstration.showing import give  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if agents and tasks is not None:
        raise ConfigurationError("--tasks is not for --agents, which are ten")
    code = run_main(give_agents(as_json=json) if agents else give(tasks=tasks, as_json=json))
    if code:
        raise typer.Exit(code)

"""`hive map`: run a command for each line of an input."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from hive.command_options import CommandFlags
from hive.options import Json, Options, with_options
from hive.running import run_main
from hive.task_options import FlagsOfMany, FromLine

if TYPE_CHECKING:
    from hive.mapping.command_lines import CommandLines
    from hive.mapping.map_run import MapOrder

__all__ = ["EPILOG", "map_lines"]

EPILOG = (
    "Exit code: 0 if all succeeded, else how many did not: 1 to 100, or 101 for more. Hive's own:"
    " 121 called off by a second Ctrl-C, 123 detached by Ctrl-C, 125 not all lines went in. Ctrl-C"
    " detaches and the tasks go on; `--reattach GROUP` watches them again, from any machine."
)

Source: TypeAlias = Annotated[
    str, typer.Option("--from", metavar="FILE|-", help="Where the lines are.")
]
Null: TypeAlias = Annotated[
    bool, typer.Option("--null", "-0", help="Lines end with NUL, as after find -print0.")
]
Jobs: TypeAlias = Annotated[
    int | None, typer.Option("--jobs", "-j", metavar="N", help="Most tasks at once.")
]
Reattach: TypeAlias = Annotated[
    str | None, typer.Option("--reattach", metavar="GROUP", help="Watch what is in already.")
]
Retries: TypeAlias = Annotated[
    int | None, typer.Option("--retries", metavar="N", help="Try again so often what fails.")
]
Agent: TypeAlias = Annotated[
    str | None,
    typer.Option("--agent", metavar="PROFILE", help="COMMAND is what to tell this agent."),
]
BudgetEach: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--budget-each", metavar="LIMIT", help="Most that one agent may use, as in 2usd or 20m."
    ),
]
BudgetAmount: TypeAlias = Annotated[
    str | None,
    typer.Option("--budget", metavar="AMOUNT,...", help="What all may spend, as in 60usd."),
]
KeepOrder: TypeAlias = Annotated[
    bool, typer.Option("--keep-order", "-k", help="Print outputs in the order of the lines.")
]


@with_options
def map_lines(
    options: Options,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="What to run; {} stands for the line."),
    ] = None,
    *,
    source: Source = "-",
    null: Null = False,
    jobs: Jobs = None,
    agent: Agent = None,
    budget_each: BudgetEach = None,
    reattach: Reattach = None,
    from_line: FromLine = None,
    retries: Retries = None,
    budget: BudgetAmount = None,
    terms: CommandFlags,
    task: FlagsOfMany,
    keep_order: KeepOrder = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no outputs.")] = False,
    json: Json = False,
) -> None:
    """Run a command for each line of standard input, as durable tasks, and watch them to the end.

    \b
    Examples:
      find . -name '*.png' | hive map -- optipng {}
      hive map --from urls.txt --jobs 8 --retries 2 --timeout 5m -- curl -fsSO {}
      ls *.py | hive map --agent claude --repo . --budget-each 1usd -- Lint {}
      hive map --reattach map-20300131-1a2b3c

    {} in any word is replaced by the line, without a shell; a COMMAND without it gets the line as
    its last argument. What a task writes is printed when it has ended. With --jobs the tasks are
    held back, and each goes when another ends, as long as somebody watches.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.agents.ordering import said_agent  # noqa: PLC0415 - `hive --help` must not pay
    from hive.endings import told  # noqa: PLC0415
    from hive.mapping.command_lines import CommandLines  # noqa: PLC0415
    from hive.mapping.map_run import MapOrder  # noqa: PLC0415
    from hive.submitting.groups import new_group  # noqa: PLC0415
    from hive.submitting.said import command_payload, said_task, task_of  # noqa: PLC0415
    from hive.tasks.exit_codes import NO_EXIT_CODE  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    # Every lower code says how many tasks have not succeeded.
    with told(failed=NO_EXIT_CODE, used_wrongly=NO_EXIT_CODE):
        _check(
            command, jobs=jobs, retries=retries, group=task.group, reattach=reattach,
            is_for_later=task.run_at is not None or task.delay is not None,
        )  # fmt: skip
        order = MapOrder(
            group=new_group("map") if (name := reattach or task.group) is None else name,
            may_have_tasks=reattach is not None or from_line is not None,
            budget=budget, jobs=jobs, is_quiet=quiet, keeps_order=keep_order,
            gives_answers=agent is not None, as_json=json,
        )  # fmt: skip
        changes: dict[str, Any] = {
            "max_attempts": None if retries is None else retries + 1, "group": order.group,
        }  # fmt: skip
        if agent is None:
            if budget_each:
                raise ConfigurationError("--budget-each is for agents: add --agent PROFILE")
            payload = command_payload(terms, reads_parents=task.after is not None)
            said = said_task("command", payload, task, terms, **changes)
        else:
            said = said_agent(
                options.settings(), agent, task, terms, budget=budget_each or (),
                budget_flag="--budget-each", **changes,
            )  # fmt: skip
        is_held = jobs is not None
        reader = CommandLines(command, task_of(said), is_held=is_held) if command else None
        code = _run(options, order, reader, source=source, is_null=null, from_line=from_line)
    raise typer.Exit(code)


def _check(
    command: list[str] | None,
    *,
    jobs: int | None,
    retries: int | None,
    group: str | None,
    reattach: str | None,
    is_for_later: bool,
) -> None:
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if jobs is not None and jobs < 1:
        raise ConfigurationError(f"--jobs is {jobs}; at least 1 task runs at once")
    if jobs is not None and is_for_later:
        raise ConfigurationError(
            "--jobs lets each task go when another ends; leave out --run-at and --delay"
        )
    if retries is not None and retries < 0:
        raise ConfigurationError(f"--retries is {retries}; 0 is to try once")
    if reattach is None and not command:
        raise ConfigurationError("no command is named; write it last, as in `hive map -- wc -l {}`")
    if reattach is not None and (command or group is not None):
        what = f"the command {command}" if group is None else f"--group {group}"
        raise ConfigurationError(f"--reattach watches what is in already; leave out {what}")


def _run(
    options: Options,
    order: "MapOrder",
    reader: "CommandLines | None",
    *,
    source: str,
    is_null: bool,
    from_line: int | None,
) -> int:
    import sys  # noqa: PLC0415

    from hive.mapping.map_run import run_map  # noqa: PLC0415
    from hive.mapping.mapping import Lines  # noqa: PLC0415
    from hive.printing import say  # noqa: PLC0415
    from hive.standard_input import is_terminal  # noqa: PLC0415
    from hive.submitting.lines import open_lines  # noqa: PLC0415

    settings = options.settings()
    if reader is None:
        return run_main(run_map(settings, order, None))
    separator = b"\0" if is_null else b"\n"
    with open_lines(source, separator=separator, from_line=from_line) as opened:
        if source == "-" and is_terminal():
            say("hive: reading lines from the terminal; Ctrl-D ends them")
        lines = Lines(source=opened, reader=reader, words=sys.argv[1:], command=reader.command)
        return run_main(run_map(settings, order, lines))

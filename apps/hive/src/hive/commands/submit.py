"""`hive submit`: give the Hive a task of any kind."""

from typing import TYPE_CHECKING, Annotated

import typer

from hive.completing import kinds, queues
from hive.options import Json, Options, with_options

if TYPE_CHECKING:
    from hive.bulk.task_lines import SaidTask

__all__ = ["submit"]


@with_options
def submit(
    options: Options,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="command, call, ...; with --jsonl, of lines that name none.",
            autocompletion=kinds,
            show_default=False,
        ),
    ] = None,
    *,
    payload: Annotated[
        str,
        typer.Option("--payload", metavar="JSON|@FILE|-", help="Its input; - reads it from stdin."),
    ] = "{}",
    queue: Annotated[
        str,
        typer.Option(
            "--queue", metavar="NAME", help="Queue to put it into.", autocompletion=queues
        ),
    ] = "default",
    priority: Annotated[int, typer.Option("--priority", metavar="N", help="0 is most urgent.")] = 0,
    run_at: Annotated[
        str | None, typer.Option("--run-at", metavar="MOMENT", help="Not before this moment.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="DURATION", help="Not before so long from now.")
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option("--max-attempts", metavar="N", help="Failures that end it.")
    ] = None,
    max_losses: Annotated[
        int | None, typer.Option("--max-losses", metavar="N", help="Lost workers that end it.")
    ] = None,
    no_rerun: Annotated[
        bool, typer.Option("--no-rerun", help="Never run it again once it has started.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="DURATION", help="Longest that an attempt may run."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="NAME", help="What the tasks have in common; see --jsonl."),
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option("--jsonl", metavar="FILE|-", help="Submit many: a task a line, as JSON."),
    ] = None,
    from_line: Annotated[
        int | None, typer.Option("--from-line", metavar="N", help="Begin at this line of --jsonl.")
    ] = None,
    ids: Annotated[
        bool, typer.Option("--ids", help="Print the ids of --jsonl, not the group.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look over --jsonl, and submit nothing.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end, and print the result as JSON.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a kind that is not installed here.")
    ] = False,
    json: Json = False,
) -> None:
    """Queue a task, and print its id; with --jsonl, queue many, and print their group.

    \b
    Examples:
      hive submit command --payload '{"argv": ["uname", "-a"]}' --wait
      hive submit --jsonl tasks.jsonl --timeout 10m
      make-tasks | hive submit command --jsonl -

    A line of --jsonl is {"kind": ..., "payload": ...} and any of queue, priority, run_at, delay,
    max_attempts, max_losses, no_rerun, timeout, group; options stand in for what it leaves out. A
    file is looked over first, and one bad line lets nothing in. A stream keeps what it accepted.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.bulk.task_lines import SaidTask  # noqa: PLC0415 - `hive --help` must not pay for it
    from hive.tasks.submitting import read_payload  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if jsonl is None and (ids or dry_run or from_line is not None):
        raise ConfigurationError("--ids, --dry-run and --from-line are for many tasks: add --jsonl")
    if ids and json:
        raise ConfigurationError("--ids and --json are two ways to print; give one of them")
    if jsonl == "-" and payload == "-":
        raise ConfigurationError("--payload and --jsonl cannot both be read from standard input")
    said = SaidTask(
        kind=kind, payload=read_payload(payload), queue=queue, priority=priority, run_at=run_at,
        delay=delay, max_attempts=max_attempts, max_losses=max_losses, no_rerun=no_rerun,
        timeout=timeout, group=group,
    )  # fmt: skip
    if jsonl is None:
        code = _submit_one(options, said, is_forced=force, is_waiting=wait, as_json=json)
    elif wait:
        raise ConfigurationError(
            "--wait is for one task; wait for a group with `hive map --reattach GROUP`"
        )
    else:
        code = _submit_lines(
            options, said, jsonl, from_line=1 if from_line is None else from_line, is_dry=dry_run,
            is_forced=force, shows_ids=ids, as_json=json,
        )  # fmt: skip
    if code:
        raise typer.Exit(code)


def _submit_one(
    options: Options, said: "SaidTask", *, is_forced: bool, is_waiting: bool, as_json: bool
) -> int:
    import asyncio  # noqa: PLC0415

    from hive.bulk.task_lines import task_of  # noqa: PLC0415
    from hive.tasks.handing_in import Order, hand_in  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if said.kind is None:
        raise ConfigurationError(
            "the task has no kind; name it, as in `hive submit command --payload ...`,"
            " or give many tasks with --jsonl FILE"
        )
    order = Order(task=task_of(said), is_forced=is_forced, is_waiting=is_waiting, as_json=as_json)
    return asyncio.run(hand_in(options.settings(), order))


def _submit_lines(
    options: Options,
    said: "SaidTask",
    path: str,
    *,
    from_line: int,
    is_dry: bool,
    is_forced: bool,
    shows_ids: bool,
    as_json: bool,
) -> int:
    import asyncio  # noqa: PLC0415
    import sys  # noqa: PLC0415
    from dataclasses import replace  # noqa: PLC0415

    from hive.bulk.groups import new_group  # noqa: PLC0415
    from hive.bulk.lines import open_lines  # noqa: PLC0415
    from hive.bulk.submitting import BulkOrder, submit_lines  # noqa: PLC0415
    from hive.bulk.task_lines import TaskLines  # noqa: PLC0415

    group = said.group or new_group("bulk")
    order = BulkOrder(
        reader=TaskLines(replace(said, group=group), is_forced=is_forced),
        group=group,
        words=sys.argv[1:],
        is_dry=is_dry,
        shows_ids=shows_ids,
        as_json=as_json,
    )
    with open_lines(path, from_line=from_line) as source:
        return asyncio.run(submit_lines(options.settings(), source, order))

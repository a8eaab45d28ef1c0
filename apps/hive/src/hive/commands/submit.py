"""`hive submit`: give the Hive a task of any kind."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hive.command_options import Shell, SpokenFlags
from hive.completing import kinds
from hive.options import Json, Options, with_options
from hive.running import run_main
from hive.task_options import FlagsOfOne, FromLine

if TYPE_CHECKING:
    from hive.submitting.said import SaidTask
    from hive.submitting.work import SaidWork

__all__ = ["submit"]

Kind: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[KIND]",
        help="command, call, ...; with --jsonl, of lines that name none.",
        autocompletion=kinds,
        show_default=False,
    ),
]
Payload: TypeAlias = Annotated[
    str | None,
    typer.Option("--payload", metavar="JSON|@FILE|-", help="Its input; - reads it from stdin."),
]
Jsonl: TypeAlias = Annotated[
    str | None,
    typer.Option("--jsonl", metavar="FILE|-", help="Submit many: a task a line, as JSON."),
]
OnSuccess: TypeAlias = Annotated[
    str | None,
    typer.Option("--on-success", metavar="JSON", help="A task for when all of --jsonl succeeded."),
]
OnFinished: TypeAlias = Annotated[
    str | None,
    typer.Option("--on-finished", metavar="JSON", help="A task for when all of --jsonl ended."),
]
Ids: TypeAlias = Annotated[
    bool, typer.Option("--ids", help="Print the ids of --jsonl, not the group.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Look over --jsonl, and submit nothing.")
]
Wait: TypeAlias = Annotated[
    bool, typer.Option("--wait", help="Wait for its end, and print the result as JSON.")
]
Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Also a kind that is not installed here.")
]


@with_options
def submit(
    options: Options,
    kind: Kind = None,
    *,
    payload: Payload = None,
    shell: Shell = False,
    terms: SpokenFlags,
    task: FlagsOfOne,
    jsonl: Jsonl = None,
    from_line: FromLine = None,
    on_success: OnSuccess = None,
    on_finished: OnFinished = None,
    ids: Ids = False,
    dry_run: DryRun = False,
    wait: Wait = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Queue a task, and print its id; with --jsonl, queue many, and print their group.

    \b
    Examples:
      hive submit --timeout 10m -- make test
      hive submit call --payload @report.json --wait
      hive submit --jsonl tasks.jsonl --timeout 10m
      make-tasks | hive submit command --jsonl -

    What stands behind -- is a command, to be run in this directory.

    A line of --jsonl is {"kind": ..., "payload": ...} and any of queue, priority, run_at, delay,
    max_attempts, max_losses, no_rerun, retry, retry_on, timeout, silence_timeout, group, key,
    when_busy, unique, unique_for, expires_at, expires_in, needs, slots, breaker, name, after,
    if_parent_fails; options stand in for what it leaves out. "after" is a list of ids, or of names
    of lines before it. A file is looked over first, and one bad line lets nothing in. A stream
    keeps what it accepted.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.submitting.said import said_task  # noqa: PLC0415

    follows = on_success is not None or on_finished is not None
    _check(
        payload, jsonl, from_line=from_line, ids=ids, dry_run=dry_run, wait=wait, json=json,
        follows=follows,
    )  # fmt: skip
    work = _work(
        kind, payload, terms, is_of_many=jsonl is not None, is_shell=shell,
        reads_parents=task.after is not None,
    )  # fmt: skip
    said = said_task(work.kind, work.payload, task, terms)
    if jsonl is None:
        code = _submit_one(options, said, is_forced=force, is_waiting=wait, as_json=json)
    else:
        code = _submit_lines(
            options, said, jsonl, from_line=from_line, is_dry=dry_run,
            is_forced=force, shows_ids=ids, as_json=json, on_success=on_success,
            on_finished=on_finished,
        )  # fmt: skip
    if code:
        raise typer.Exit(code)


def _work(
    kind: str | None,
    payload: str | None,
    terms: SpokenFlags,
    *,
    is_of_many: bool,
    is_shell: bool,
    reads_parents: bool,
) -> "SaidWork":
    """Return what to run; of many, what stands in for what a line leaves out."""
    from hive.behind_dashes import command_behind_dashes  # noqa: PLC0415
    from hive.submitting.work import NO_WORK, flags_of, said_work  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    command = command_behind_dashes()
    if is_of_many and command:
        raise ConfigurationError("--jsonl has the tasks; a command behind -- is one more")
    if is_of_many and (wrong := [*["--shell"] * is_shell, *flags_of(terms)]):
        raise ConfigurationError(
            f"{wrong[0]} is for a command behind --; a line of --jsonl says it in its payload"
        )
    if is_of_many and kind is None and payload is None:
        return NO_WORK
    return said_work(
        command, kind, payload, terms, is_shell=is_shell, reads_parents=reads_parents,
        kind_said="its name",
    )  # fmt: skip


def _check(
    payload: str | None,
    jsonl: str | None,
    *,
    from_line: int | None,
    ids: bool,
    dry_run: bool,
    wait: bool,
    json: bool,
    follows: bool,
) -> None:
    """Refuse options that contradict one another."""
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if jsonl is None and (ids or dry_run or follows or from_line is not None):
        raise ConfigurationError(
            "--ids, --dry-run, --from-line, --on-success and --on-finished are for many tasks:"
            " add --jsonl"
        )
    if ids and json:
        raise ConfigurationError("--ids and --json are two ways to print; give one of them")
    if jsonl == "-" and payload == "-":
        raise ConfigurationError("--payload and --jsonl cannot both be read from standard input")
    if jsonl is not None and wait:
        raise ConfigurationError(
            "--wait is for one task; wait for a group with `hive map --reattach GROUP`"
        )


def _submit_one(
    options: Options, said: "SaidTask", *, is_forced: bool, is_waiting: bool, as_json: bool
) -> int:
    from hive.submitting.handing_in import Order, hand_in  # noqa: PLC0415
    from hive.submitting.said import task_of  # noqa: PLC0415

    order = Order(task=task_of(said), is_forced=is_forced, is_waiting=is_waiting, as_json=as_json)
    return run_main(hand_in(options.settings(), order))


def _submit_lines(
    options: Options,
    said: "SaidTask",
    path: str,
    *,
    from_line: int | None,
    is_dry: bool,
    is_forced: bool,
    shows_ids: bool,
    as_json: bool,
    on_success: str | None,
    on_finished: str | None,
) -> int:
    import sys  # noqa: PLC0415
    from dataclasses import replace  # noqa: PLC0415

    from hive.submitting.followers import read_followers  # noqa: PLC0415
    from hive.submitting.from_lines import BulkOrder, submit_lines  # noqa: PLC0415
    from hive.submitting.groups import new_group  # noqa: PLC0415
    from hive.submitting.lines import open_lines  # noqa: PLC0415
    from hive.submitting.said import SaidTask  # noqa: PLC0415
    from hive.submitting.task_lines import TaskLines  # noqa: PLC0415

    group = new_group("bulk") if said.group is None else said.group
    reader = TaskLines(replace(said, group=group), is_forced=is_forced)
    followers = TaskLines(SaidTask(group=group, queue=said.queue), is_forced=is_forced)
    order = BulkOrder(
        reader=reader,
        followers=read_followers(followers, on_success=on_success, on_finished=on_finished),
        group=group,
        words=sys.argv[1:],
        is_dry=is_dry,
        shows_ids=shows_ids,
        as_json=as_json,
    )
    with open_lines(path, from_line=from_line) as source:
        return run_main(submit_lines(options.settings(), source, order))

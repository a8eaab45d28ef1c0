"""The `hive` command: which subcommands there are, and how their errors become exit codes.

A subcommand is a module in `hive.commands` and imports what it needs when it runs, so that
`hive --help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from copy import copy
from typing import Annotated

import typer

from hive.behind_dashes import WithCommand
from hive.commands import (
    accept,
    agent,
    answer,
    attach,
    audit,
    backup,
    breaker,
    budget,
    cancel,
    completion,
    config,
    demo,
    diff,
    doctor,
    down,
    embed,
    events,
    export,
    generate,
    group,
    importing,
    join,
    limit,
    logs,
    migrate,
    park,
    prune,
    queen,
    queue,
    reject,
    restore,
    retry,
    roles,
    run,
    schedule,
    send,
    show,
    status,
    submit,
    unpark,
    up,
    verse,
    webhook,
    worker,
    workers,
    ws,
)
from hive.commands import list as list_
from hive.commands import map as map_
from hive.completing import answer_shells
from hive.endings import told
from hive.standard_output import guard_standard_streams

__all__ = ["app", "app_for", "main"]


def _show_version(is_asked_for: bool) -> None:
    if is_asked_for:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"hive {version('hive-orchestrator')}")
        raise typer.Exit


app = typer.Typer(
    name="hive",
    epilog="To begin: `hive up -d`, then `hive doctor`. To stop: `hive down`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(up.up)
app.command()(down.down)
app.command()(queen.queen)
app.command()(worker.worker)
app.command()(join.join)
app.command()(doctor.doctor)
app.command()(migrate.migrate)
app.command()(backup.backup)
app.command()(restore.restore)
app.command(epilog=export.EPILOG)(export.export)
app.command("import", epilog=importing.EPILOG)(importing.import_file)
app.command(
    epilog=run.EPILOG, context_settings={"allow_interspersed_args": False}, no_args_is_help=True
)(run.run)
app.command(epilog=agent.EPILOG, no_args_is_help=True)(agent.agent)
app.command(
    "map",
    epilog=map_.EPILOG,
    context_settings={"allow_interspersed_args": False},
    no_args_is_help=True,
)(map_.map_lines)
app.command(cls=WithCommand)(submit.submit)
app.command(epilog=generate.EPILOG)(generate.generate)
app.command(epilog=embed.EPILOG)(embed.embed)
app.add_typer(verse.app, name="verse")
app.add_typer(schedule.app, name="schedule")
app.command()(status.status)
app.command()(show.show)
app.add_typer(group.app, name="group")
app.command("list")(list_.list_tasks)
app.command(epilog=events.EPILOG)(events.events)
app.add_typer(webhook.app, name="webhook")
app.command()(workers.workers)
app.command(epilog=cancel.EPILOG)(cancel.cancel)
app.command(epilog=retry.EPILOG)(retry.retry)
app.command(epilog=park.EPILOG)(park.park)
app.command(epilog=unpark.EPILOG)(unpark.unpark)
app.command(epilog=answer.EPILOG)(answer.answer)
app.command()(logs.logs)
app.command(epilog=attach.EPILOG)(attach.attach)
app.command(epilog=send.EPILOG)(send.send)
app.add_typer(ws.app, name="ws")
app.command()(diff.diff)
app.command(epilog=accept.EPILOG)(accept.accept)
app.command()(reject.reject)
app.add_typer(queue.app, name="queue")
app.add_typer(limit.app, name="limit")
app.add_typer(breaker.app, name="breaker")
app.add_typer(budget.app, name="budget")
app.command()(audit.audit)
app.command()(demo.demo)
app.command(epilog=prune.EPILOG)(prune.prune)
app.command()(config.config)
app.command()(roles.roles)
app.command(epilog=completion.EPILOG)(completion.completion)


@app.callback()
def hive(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None:
    """Run commands, agents and functions as durable tasks."""


def app_for(words: Sequence[str]) -> typer.Typer:
    """Return the command line with what these words name alone: to prepare the rest takes longer.

    It is the whole one if the first word is no command; that is told with all that there are.
    """
    first = words[0] if words else ""
    one = copy(app)
    one.registered_commands = [
        command
        for command in app.registered_commands
        if first in (command.name, getattr(command.callback, "__name__", None))
    ]
    one.registered_groups = [group for group in app.registered_groups if group.name == first]
    return one if one.registered_commands or one.registered_groups else app


def main() -> None:
    """Run the command line. Hive's own errors are one line on stderr; a mistake is a traceback."""
    guard_standard_streams()
    if "HIVE_DIE_WITH_PARENT" in os.environ:
        from hive.parenthood import die_with_parent  # noqa: PLC0415 - only children need it

        die_with_parent()
    if "_HIVE_COMPLETE" in os.environ:
        answer_shells()
    with told():
        try:
            app_for(sys.argv[1:])()
        finally:
            # At the end of the process it would be too late to say that it cannot be written.
            sys.stdout.flush()

"""Write docs/commands.md from the command line itself (`make docs`)."""

from pathlib import Path
from typing import Any

import typer.main

from hive import endings
from hive.cli import app
from hive.options import FLAGS
from hive.tasks import exit_codes

TARGET = Path(__file__).parents[1] / "docs" / "commands.md"

HEAD = """\
# Commands

Drawn from the command line itself by `make docs`; `hive COMMAND --help` says the same.

Data goes to stdout and messages to stderr. `--json` prints JSON. Nothing is coloured or moves off a
terminal.
"""


def page() -> str:
    """Return the page, as Markdown."""
    root: Any = typer.main.get_command(app)  # typer leaves its own commands open
    commands = _flat(root.commands)
    common = {f"--{name.replace('_', '-')}" for name in FLAGS} | {"--set", "--help"}
    parts = [HEAD, _index(commands), _common(commands["status"], common), _exit_codes()]
    parts += [_command(name, command, common) for name, command in sorted(commands.items())]
    return "\n".join(parts)


def _flat(commands: dict[str, Any]) -> dict[str, Any]:
    """Return the commands, those of a group in its place under both their names."""
    found: dict[str, Any] = {}
    for name, command in commands.items():
        below: dict[str, Any] = getattr(command, "commands", {})
        own = {f"{name} {word}": each for word, each in below.items()}
        found |= own or {name: command}
    return found


def _index(commands: dict[str, Any]) -> str:
    rows = [
        f"| [{name}](#hive-{name.replace(' ', '-')}) | {_cell(_summary(command))} |"
        for name, command in commands.items()
    ]
    return "| command | what it does |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _common(command: Any, common: set[str]) -> str:
    records = [record for names, record in _options(command) if names & common]
    return "## Options of every command that meets a Hive\n\n" + _table("option", records)


def _exit_codes() -> str:
    return f"## Exit codes\n\n{_body(endings)}\n{_body(exit_codes)}"


def _body(module: Any) -> str:
    """Return a module's docstring without its first line: what is indented in it is a table."""
    return (module.__doc__ or "").partition("\n\n")[2]


def _command(name: str, command: Any, common: set[str]) -> str:
    context = command.context_class(command, info_name=f"hive {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## hive {name}\n", f"```\nhive {name} {usage}\n```\n", _prose(command)]
    arguments = [
        record
        for parameter in command.params
        if parameter.param_type_name == "argument"
        and (record := parameter.get_help_record(context)) is not None
    ]
    own = [record for names, record in _options(command) if not names & common]
    if arguments or own:
        parts.append(_table("argument or option", [*arguments, *own]))
    if command.epilog:
        parts.append(f"{command.epilog}\n")
    return "\n".join(parts)


def _prose(command: Any) -> str:
    return (command.help or "").replace("\b\n", "").strip() + "\n"


def _options(command: Any) -> list[tuple[set[str], tuple[str, str]]]:
    context = command.context_class(command, info_name="hive")
    return [
        ({*parameter.opts, *parameter.secondary_opts}, record)
        for parameter in command.params
        if parameter.param_type_name == "option"
        and (record := parameter.get_help_record(context)) is not None
    ]


def _table(head: str, records: list[tuple[str, str]]) -> str:
    rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records]
    return f"| {head} | what it means |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _summary(command: Any) -> str:
    return (command.help or "").split("\n\n")[0].strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")

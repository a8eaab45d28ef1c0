"""Tasks that are submitted together: a name for them, and the command that goes on with more."""

import secrets
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Final

__all__ = ["command_to_go_on", "new_group"]

REPLACED: Final = ("--group", "--from-line")


def new_group(what: str) -> str:
    """Return a name that nobody has used: what it is, the day, and some random digits."""
    today = datetime.now().astimezone()
    return f"{what}-{today:%Y%m%d}-{secrets.token_hex(3)}"


def command_to_go_on(
    words: Sequence[str], *, group: str, from_line: int, command: Sequence[str] = ()
) -> str:
    """Return `hive WORDS` as it must be typed to begin at a line, in the same group.

    Args:
        words: what was typed after `hive`.
        group: where the tasks before that line are.
        from_line: the first line that is not in.
        command: the last of the words, if they are the command that is to be run.
    """
    options = list(words[: len(words) - len(command)])
    kept: list[str] = []
    while options:
        word = options.pop(0)
        if word in REPLACED and options:
            options.pop(0)
        elif word.partition("=")[0] not in REPLACED and word != "--":
            kept.append(word)
    place = ["--group", group, "--from-line", str(from_line)]
    return shlex.join(["hive", *kept, *place, *(["--", *command] if command else [])])

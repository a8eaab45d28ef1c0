"""The command line that goes on where one has stopped."""

import shlex
from collections.abc import Sequence

__all__ = ["command_to_go_on"]

REPLACED = ("--group", "--from-line")


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

"""What to run, as a person says it: a command, or a kind with its payload."""

from typing import Any, Final, NamedTuple

from hive.submitting.payloads import read_payload
from hive.submitting.said import command_payload
from hive.submitting.workspaces import Room
from hive_contracts.errors import ConfigurationError

__all__ = ["NO_WORK", "SaidWork", "said_work"]


class SaidWork(NamedTuple):
    """A kind and its payload."""

    kind: str | None
    """None if each task says its own."""

    payload: Any


NO_WORK: Final = SaidWork(None, {})
"""Of many tasks that say theirs themselves."""


def said_work(
    command: list[str],
    kind: str | None,
    payload: str | None,
    *,
    is_shell: bool,
    cwd: str | None,
    env: list[str] | None,
    room: Room | None = None,
    kind_said: str = "--kind",
) -> SaidWork:
    """Return the work that the words of a command, or else a kind and --payload, say.

    Args:
        command: the words behind --.
        kind: the kind.
        payload: what --payload says.
        is_shell: whether the words are one line for a shell.
        cwd: where the command begins.
        env: its variables, as NAME=VALUE.
        room: its workspace, if it may have one.
        kind_said: how a kind is given.

    Raises:
        ConfigurationError: both are given, or neither; or the payload cannot be read.
    """
    if bool(command) is (kind is not None):
        got = "; it got both" if command else ""
        raise ConfigurationError(
            f"say what to submit: a command behind --, or a kind by {kind_said} and --payload{got}"
        )
    if not command:
        if is_shell or cwd is not None or env or (room is not None and room.workspace is not None):
            raise ConfigurationError(
                "--shell, --cwd, --env and workspaces are for a command; of a kind they are in the"
                " payload"
            )
        return SaidWork(kind or "", read_payload("{}" if payload is None else payload))
    if payload is not None:
        raise ConfigurationError("--payload is the input of a kind; a command needs none")
    words = {"argv": [" ".join(command)] if is_shell else command, "shell": is_shell}
    return SaidWork("command", words | command_payload(cwd=cwd, env=env or [], room=room))

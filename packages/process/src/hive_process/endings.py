"""What the end of a command means for its task, in words a stranger can use."""

import errno
import signal
from collections.abc import Mapping
from typing import Any, Final

from hive_contracts.execution import Stream
from hive_contracts.outcomes import Asked, Failed, Outcome, Parked, Released, Succeeded
from hive_contracts.spawning import Exit
from hive_process.payload import CommandPayload

__all__ = ["outcome_of", "refusal_of", "usage_of"]

_OF_THE_MOMENT: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""Refusals that tell of the machine just now, and nothing of the program."""


def usage_of(ended: Exit, *, run_seconds: float, written: Mapping[Stream, int]) -> dict[str, Any]:
    """Return how a command ended and what it has used: the result of its attempt.

    Args:
        ended: what the spawner says.
        run_seconds: how long it ran, until nothing of it was left.
        written: bytes that it wrote to each stream.
    """
    how = {"exit_code": ended.code} if ended.signal is None else {"signal": name_of(ended.signal)}
    return {
        **how,
        "run_seconds": round(run_seconds, 6),
        "cpu_seconds": round(ended.cpu_seconds, 6),
        "peak_memory_bytes": ended.peak_memory_bytes,
        "stdout_bytes": written[Stream.STDOUT],
        "stderr_bytes": written[Stream.STDERR],
        "left_behind": ended.left_behind,
    }


def outcome_of(
    ended: Exit, payload: CommandPayload, usage: dict[str, Any], *, last_line: str = ""
) -> Outcome:
    """Return what it means that a command ended so, by itself or by somebody else's hand.

    Args:
        ended: what the spawner says.
        payload: the command.
        usage: what is to be kept of it.
        last_line: the last that it printed: its question, if it asks one.
    """
    if ended.fenced:
        return Released("the worker could not prove its lease in time, so the command was killed")
    if ended.signal is not None:
        name = name_of(ended.signal)
        return Failed(f"killed by {name}{_hint(ended.signal)}", result=usage, names=(name,))
    if ended.code in payload.ok_codes:
        return Succeeded(usage)
    if ended.code in payload.ask_codes:
        return Asked(last_line or f"it printed no question (exit code {ended.code})")
    asked = None if ended.code is None else _asked(ended.code, payload)
    if asked is not None:
        return asked
    return Failed(f"exit code {ended.code}", result=usage, names=(str(ended.code),))


def _asked(code: int, payload: CommandPayload) -> Parked | None:
    delay = payload.snooze_after(code)
    if delay is not None:
        return Parked(f"it asked to be run again later (exit code {code})", again_after=delay)
    if code in payload.park_codes:
        return Parked(f"it asked to be set aside (exit code {code})")
    if code in payload.quota_codes:
        return Parked(f"its quota is used up (exit code {code})", opens_breaker=True)
    return None


def refusal_of(error: OSError, payload: CommandPayload) -> Outcome:
    """Return what it means that a command could not be started."""
    if error.errno in _OF_THE_MOMENT:
        return Released(f"the machine could not start another process: {error.strerror}")
    return Failed(_explain(error, payload), is_retryable=False)


def _explain(error: OSError, payload: CommandPayload) -> str:
    if payload.cwd is not None and error.filename == payload.cwd:
        return f"cannot work in directory {payload.cwd!r}: {error.strerror}"
    program = error.filename or payload.words[0]
    match error.errno:
        case errno.ENOENT:
            return f"no such program: {program!r}"
        case errno.EACCES:
            return f"not an executable program: {program!r}"
        case errno.ENOEXEC:
            return (
                f"{program!r} is neither a program for this machine nor a script "
                "whose first line names an interpreter that exists"
            )
        case errno.E2BIG:
            return f"argv and env are too long for {program!r} to be started with"
        case _:
            return f"cannot start {program!r}: {error.strerror}"


def _hint(number: int) -> str:
    if number == signal.SIGXCPU:
        return "; it had used the processor time that its limits give it"
    # Nobody in Hive kills a command and calls it a failure: somebody else did.
    if number == signal.SIGKILL:
        return "; if nobody did that by hand, the machine was out of memory"
    return ""


def name_of(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

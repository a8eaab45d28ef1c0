"""The exit code of a command that waited for a task: the task's own, or one of Hive's.

Of `hive run`, and of `hive submit --wait` for a task of the kind `command`:

    0-255    what the command itself ended with; 128 + n if signal n ended it
    116      a budget is used up
    117      it stayed for too long when it was done (`--linger-timeout`)
    118      it was silent for too long (`--silence-timeout`)
    119      it did not begin in time (`--startup-timeout`)
    121      cancelled
    122      lost: its workers died under it too often
    123      Ctrl-C: nobody watches any more, the task goes on
    124      timed out, as `timeout` says it
    125      there is no exit code: it was not queued, or could not be started

`hive map` ends with how many of its tasks have not succeeded, and prints this table in its help:

    0        all succeeded
    1-100    so many failed or were cancelled
    101      more than that
    121      it was called off by a second Ctrl-C
    123      Ctrl-C: nobody watches any more, the tasks go on
    125      Hive itself could not: not all lines are in, or nothing is

Shells use 126 and above for themselves, and programs mostly low numbers. Of `hive submit --wait`,
for a task of any other kind, 0 if it succeeded, 1 if it failed, or one of 116 to 124; what was not
queued is told with 1 or 2, as of every command.
"""

import signal
from typing import Any, Final, cast

from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_store.task_store import EndedTask

__all__ = [
    "CANCELLED",
    "DETACHED",
    "LINGERED",
    "LOST",
    "NEVER_BEGAN",
    "NO_EXIT_CODE",
    "OVER_BUDGET",
    "SILENCE",
    "SILENT",
    "TIMED_OUT",
    "exit_code_of",
    "exit_code_of_many",
]

OVER_BUDGET: Final = 116
LINGERED: Final = 117
SILENT: Final = 118
NEVER_BEGAN: Final = 119
CANCELLED: Final = 121
LOST: Final = 122
DETACHED: Final = 123
TIMED_OUT: Final = 124
NO_EXIT_CODE: Final = 125
MOST_COUNTED: Final = 100

SILENCE: Final = "it was silent for longer"
"""How the reason begins of an attempt that was silent for too long."""

OF_OUTCOME: Final = {
    OutcomeName.LOST: LOST,
    OutcomeName.RELEASED: LOST,
    OutcomeName.BUDGET: OVER_BUDGET,
}
OF_DEADLINE: Final = {"startup": NEVER_BEGAN, "linger": LINGERED}


def exit_code_of(ended: EndedTask, *, is_command: bool) -> int:
    """Return the exit code that tells how a task ended."""
    if ended.state is TaskState.CANCELLED:
        return CANCELLED
    if ended.outcome in OF_OUTCOME:
        return OF_OUTCOME[ended.outcome]
    if ended.outcome is OutcomeName.TIMED_OUT:
        return _code_of_deadline(ended)
    if not is_command:
        return 0 if ended.state is TaskState.SUCCEEDED else 1
    result = _result_of(ended)
    if "signal" in result:
        return 128 + _signal_number(result["signal"])
    return result.get("exit_code", NO_EXIT_CODE)


def _code_of_deadline(ended: EndedTask) -> int:
    if (ended.error or "").startswith(SILENCE):
        return SILENT
    return OF_DEADLINE.get(_result_of(ended).get("limit", ""), TIMED_OUT)


def _result_of(ended: EndedTask) -> dict[str, Any]:
    return cast("dict[str, Any]", ended.result) if isinstance(ended.result, dict) else {}


def exit_code_of_many(unsuccessful: int) -> int:
    """Return the exit code that tells how many tasks have not succeeded."""
    return min(unsuccessful, MOST_COUNTED + 1)


def _signal_number(name: str) -> int:
    # Those without a name of their own are told as "signal 40".
    if name in signal.Signals.__members__:
        return signal.Signals[name]
    return int(name.rpartition(" ")[2])

"""Defaults of tasks, settings of executors, the tree of errors, and the clock."""

import inspect
from dataclasses import dataclass
from uuid import uuid4

import pytest

from hive_contracts import errors
from hive_contracts.clocks import BootClock
from hive_contracts.events import Cursor
from hive_contracts.execution import Tools
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.spawning import Launch, Process
from hive_contracts.tasks import DEFAULT_MAX_ATTEMPTS, NewTask, default_max_attempts

BRANCHES = (errors.UsageError, errors.LostRaceError, errors.UnavailableError)


class NoSpawner:
    async def spawn(self, launch: Launch) -> Process:
        raise FileNotFoundError(launch.argv[0])


@dataclass(frozen=True)
class Colours:
    sky: str = "blue"


@pytest.mark.parametrize(
    ("kind", "attempts"), [("command", 1), ("agent", 1), ("call", DEFAULT_MAX_ATTEMPTS)]
)
def test_what_acts_on_the_world_runs_once_unless_asked(kind: str, attempts: int) -> None:
    assert default_max_attempts(kind) == attempts


def test_new_tasks_do_not_share_their_payload() -> None:
    one, other = NewTask(kind="call"), NewTask(kind="call")
    one.payload["x"] = 1
    assert other.payload == {}


def test_settings_that_were_given_win_over_their_defaults() -> None:
    assert Tools(spawner=NoSpawner()).settings_of(Colours) == Colours("blue")
    given = Tools(spawner=NoSpawner(), settings=[object(), Colours("grey")])
    assert given.settings_of(Colours) == Colours("grey")


def test_what_executors_share_is_found_by_its_type_and_else_missed_by_its_name() -> None:
    tools = Tools(spawner=NoSpawner(), shared=[object(), Colours("grey")])
    assert tools.shared_of(Colours) == Colours("grey")
    with pytest.raises(errors.ConfigurationError, match="this worker has no Colours to share"):
        Tools(spawner=NoSpawner()).shared_of(Colours)


def test_every_error_says_what_its_caller_can_do() -> None:
    roots = {*BRANCHES, errors.HiveError, errors.TaskFailedError}
    leaves = [e for _, e in inspect.getmembers(errors, inspect.isclass) if e not in roots]
    for error in leaves:
        if issubclass(error, errors.HiveError):
            assert sum(issubclass(error, branch) for branch in BRANCHES) == 1, error


def test_every_error_is_drawn_and_exported() -> None:
    defined = {name for name, _ in inspect.getmembers(errors, inspect.isclass) if "Error" in name}
    assert defined == set(errors.__all__)
    assert all(name in (errors.__doc__ or "") for name in defined)


def test_errors_are_sentences_with_the_value_in_them() -> None:
    lease_id = LeaseId(uuid4())
    assert str(errors.UnknownTaskError(TaskId(7))) == "there is no task 7"
    assert str(errors.StaleLeaseError(TaskId(7), lease_id)) == (
        f"task 7 is no longer held under lease {lease_id}"
    )
    assert str(errors.UnknownKindError("cal", ("call", "command"))) == (
        "no executor for kind 'cal'; installed: call, command"
    )
    assert str(errors.UnknownKindError("x", ())) == "no executor for kind 'x'; installed: none"
    assert "field 'x'" in str(errors.MalformedPayloadError("call", "it has no field 'x'"))


def test_cursors_are_ordered_by_transaction_before_id() -> None:
    assert sorted([Cursor(2, 1), Cursor(1, 9), Cursor(1, 2), Cursor()]) == [
        Cursor(0, 0),
        Cursor(1, 2),
        Cursor(1, 9),
        Cursor(2, 1),
    ]


def test_the_clock_never_goes_back() -> None:
    clock = BootClock()
    readings = [clock.seconds() for _ in range(1000)]
    assert readings == sorted(readings)
    assert readings[0] > 0

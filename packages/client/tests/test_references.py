"""Functions by reference: what becomes a task, and what is refused with the way out."""

import math
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hive_calls.demonstration import count_tokens, echo, noop
from hive_calls.payload import KIND, CallPayload
from hive_client import Hive, call
from hive_contracts.errors import RefusedTaskError
from hive_contracts.tasks import NewTask
from hive_contracts.wire import decode_payload, encode_json


def paint(colour: str, *, layers: int = 1) -> str:
    return colour * layers


class Brush:
    def stroke(self) -> None:
        raise NotImplementedError

    @staticmethod
    def clean() -> None:
        raise NotImplementedError


async def test_a_function_becomes_a_call_that_the_executor_understands(hive: Hive) -> None:
    record = await hive.show(await hive.submit(count_tokens, path="a.py"))
    assert (record.kind, record.max_attempts) == (KIND, 3)
    payload = decode_payload(KIND, encode_json(record.payload), CallPayload)
    assert payload == CallPayload(
        function="hive_calls.demonstration:count_tokens", kwargs={"path": "a.py"}
    )


def test_arguments_keep_their_places_and_names() -> None:
    given: list[Any] = [1, 2.5, None, True, "ü", {"a": [{}]}, (3,)]
    assert call(echo, given).payload["args"] == [given]
    assert call(echo, value="x").payload == {
        "function": "hive_calls.demonstration:echo",
        "args": [],
        "kwargs": {"value": "x"},
    }
    assert call(noop).payload == {
        "function": "hive_calls.demonstration:noop",
        "args": [],
        "kwargs": {},
    }


def test_a_function_of_another_language_is_taken_on_trust() -> None:
    assert call(math.hypot, 3, 4).payload["function"] == "math:hypot"


def test_a_static_method_has_a_name_of_its_own() -> None:
    assert call(Brush.clean).payload["function"] == f"{__name__}:Brush.clean"


def nested() -> Callable[[], None]:
    def inner() -> None:
        raise NotImplementedError

    return inner


def count_up() -> Iterator[int]:
    yield 1


async def count_slowly() -> AsyncGenerator[int]:
    yield 1


REFUSED: list[tuple[Any, str]] = [
    (count_up, "count_up is a generator function: .* goes through it and returns a list"),
    (count_slowly, "count_slowly is a generator function"),
    (lambda: None, "exists only inside this program; define it with `def` at the top of a module"),
    (nested(), "exists only inside this program"),
    (Brush().stroke, "Brush.stroke is a method of an object that the worker does not have"),
    (Brush, "is not a function that has a name"),
    (partial(echo, 1), "is not a function that has a name"),
    (3, "3 is not a function that has a name"),
]


@pytest.mark.parametrize(("function", "words"), REFUSED)
def test_what_a_worker_could_not_find_is_refused_with_the_way_out(
    function: Any, words: str
) -> None:
    with pytest.raises(RefusedTaskError, match=words):
        call(function)


def test_a_name_that_now_means_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_calls.demonstration.echo", noop)
    with pytest.raises(RefusedTaskError, match="demonstration:echo is not this function but anot"):
        call(echo)


def test_a_function_of_the_program_itself_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from hive_client import call\ndef resize(): ...\ntry:\n    call(resize)\n"
        "except Exception as error:\n    print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert said == (
        "resize is defined in the program that was started (__main__), which a worker cannot"
        " import; put it into a module of its own and import it from there\n"
    )


def endless() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


UNFIT: list[tuple[Any, str]] = [
    (datetime.now(UTC), "argument 'value' of .*:echo is of type datetime, which JSON cannot carry"),
    ({"a": [b"x"]}, "item 0 of 'a' of argument 'value' of .*:echo is of type bytes"),
    ({3: "x"}, "a key of argument 'value' of .*:echo is 3; JSON knows only keys that are text"),
    ({"x"}, "of type set"),
    (endless(), "argument 'value' of .*:echo is nested too deeply"),
]


@pytest.mark.parametrize(("value", "words"), UNFIT)
def test_arguments_that_would_arrive_as_something_else_are_refused(value: Any, words: str) -> None:
    with pytest.raises(RefusedTaskError, match=words):
        call(echo, value=value)


async def test_what_the_store_cannot_hold_is_refused_too(hive: Hive) -> None:
    with pytest.raises(RefusedTaskError, match="payload of a call task"):
        await hive.submit(echo, math.nan)
    assert await hive.tasks.count() == {}


async def test_wrong_arguments_are_errors_of_type_and_refused_at_once(hive: Hive) -> None:
    """The comments are checked: each hides the error that the type checker must find there."""
    with pytest.raises(RefusedTaskError, match=r"paint\(colour: str.*unexpected .*'color'"):
        await hive.submit(paint, "red", color="red")  # pyright: ignore[reportCallIssue]
    with pytest.raises(RefusedTaskError, match="missing a required argument: 'path'"):
        await hive.submit(count_tokens)  # pyright: ignore[reportCallIssue]
    with pytest.raises(RefusedTaskError, match="too many positional arguments"):
        call(noop, 1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="a task has no option 'que'; it has queue, priority, "):
        await hive.submit("trial", {}, que="x")  # pyright: ignore[reportArgumentType, reportCallIssue]
    task: NewTask = call(count_tokens, path=3)  # pyright: ignore[reportArgumentType]
    assert task.payload["kwargs"] == {"path": 3}
    assert await hive.tasks.count() == {}

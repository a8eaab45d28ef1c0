"""Functions as nobody should write them, for the chaos tests to call."""

import ctypes
import os
import sys
import time
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


async def double_in_loop(number: int) -> int:
    return 2 * number


def refuse() -> None:
    raise ValueError("3 is not even")


def refuse_unspeakably() -> None:
    raise ValueError("\ud800 and \0")


def not_a_number() -> float:
    return float("nan")


async def not_a_number_in_loop() -> float:
    return float("nan")


def no_json() -> object:
    return object()


async def no_json_in_loop() -> object:
    return object()


def surrogate() -> str:
    return "\ud800"


async def surrogate_in_loop() -> list[str]:
    return ["\ud800"]


def nul() -> str:
    return "\0"


async def nul_in_loop() -> dict[str, int]:
    return {"\0": 1}


def large_number() -> int:
    return 10**400


def endless_number() -> int:
    return 10**5000


def number_beyond_every_limit() -> int:
    sys.set_int_max_str_digits(0)
    return 10**200_000


async def nested_too_deep_in_loop() -> list[object]:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


def leave() -> None:
    sys.exit(3)


async def leave_in_loop() -> None:
    sys.exit(3)


def vanish() -> None:
    os._exit(7)


def recurse() -> None:
    recurse()


def overflow_the_stack() -> object:
    sys.setrecursionlimit(1_000_000)
    return sorted([1], key=lambda _: overflow_the_stack() is None)


def crash() -> None:
    ctypes.string_at(0)


def fork_and_stay() -> int:
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    return 5


async def block_for(seconds: float, done: str) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - this is its vice
    Path(done).touch()
    return "awake"


async def block_until_another_has_run(folder: str) -> str:
    """Block the loop when called first; what comes after it says that it may end."""
    began, went_on = Path(folder, "hung-began"), Path(folder, "hung-went-on")
    if began.exists():
        went_on.touch()
        return "second"
    began.touch()
    give_up_at = time.monotonic() + 60
    while not went_on.exists() and time.monotonic() < give_up_at:
        time.sleep(0.02)  # noqa: ASYNC251 - this is its vice
    return "first"

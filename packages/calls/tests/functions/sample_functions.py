"""Functions that behave badly, and some that do not, for the tests to call."""

# ruff: noqa: T201 - printing is what they are tested for

import asyncio
import ctypes
import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from os import getcwd
from pathlib import Path
from subprocess import run as imported_run
from typing import Any

from hive_calls import (
    fetch_answers,
    fetch_parents,
    read_answers,
    read_parents,
    show_life,
    submit_on_success,
)
from hive_calls.asking import Ask, Park, QuotaReached, Snooze
from hive_contracts.tasks import NewTask

__all__ = ["getcwd", "imported_run"]

not_a_function = 3
partial_of_foreign = partial(os.getpid)


def add(first: int, second: int) -> int:
    return first + second


def pid() -> int:
    return os.getpid()


class Tool:
    @staticmethod
    def double(number: int) -> int:
        return number * 2

    @classmethod
    def name(cls) -> str:
        return cls.__name__


tool = Tool()


def identity() -> list[str | None]:
    secret = os.environ.get("HIVE_DATABASE_URL")
    return [os.environ["HIVE_TASK_ID"], os.environ["HIVE_ATTEMPT"], secret]


class BusyError(ConnectionError):
    pass


def be_busy() -> None:
    raise BusyError("try again")


async def be_busy_in_the_loop() -> None:
    raise BusyError("try again")


def ask_later(*, is_raised: bool) -> Snooze:
    snooze = Snooze(timedelta(minutes=5), "the report is not there yet")
    if is_raised:
        raise snooze
    return snooze


def meet_quota(*, is_raised: bool) -> QuotaReached:
    quota = QuotaReached(timedelta(minutes=5), "429 Too Many Requests")
    if is_raised:
        raise quota
    return quota


async def meet_quota_in_the_loop() -> None:
    raise QuotaReached


async def ask_for_a_person(*, is_raised: bool) -> Park:
    park = Park("somebody\0 has to look", until=datetime(2100, 1, 1, tzinfo=UTC))
    if is_raised:
        raise park
    return park


def ask_until_told(*, is_raised: bool) -> str | Ask:
    if answers := read_answers():
        return f"{answers[-1].question} {answers[-1].answer}"
    ask = Ask("May it\0 go?", options=("yes", "no"))
    if is_raised:
        raise ask
    return ask


async def ask_in_the_loop_until_told(*, is_raised: bool) -> str | Ask:
    if answers := await fetch_answers():
        return f"{answers[-1].question} {answers[-1].answer}"
    if is_raised:
        raise Ask("Where to?")
    return Ask("Where to?")


def refuse(number: int) -> None:
    raise ValueError(f"{number} is not even")


def leave() -> None:
    sys.exit(3)


def vanish() -> None:
    os._exit(7)


def crash() -> None:
    ctypes.string_at(0)


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1)


def nan() -> float:
    return float("nan")


def surrogate() -> str:
    return "\ud800"


def nul() -> str:
    return "a\0b"


def unstorable_message() -> None:
    raise ValueError("\ud800 and \0")


def nothing_json_knows() -> object:
    return object()


def huge(size_bytes: int) -> str:
    return "x" * size_bytes


def block(seconds: float) -> None:
    print("blocking", flush=True)
    time.sleep(seconds)


def block_and_tidy_up(path: str) -> None:
    try:
        print("blocking", flush=True)
        time.sleep(30)
    finally:
        Path(path).write_text("tidied up")


def swallow_every_stop() -> None:
    while True:
        try:
            print("swallowing", flush=True)
            time.sleep(30)
        except BaseException:  # noqa: BLE001
            continue


def say(words: list[str]) -> int:
    for word in words:
        print(word)
    sys.stderr.write("aside")
    sys.stdout.write("no newline at the end")
    return len(words)


def close_stdout() -> str:
    sys.stdout.close()
    return "closed"


def close_stdouts_descriptor() -> str:
    os.close(1)
    return "closed"


def close_every_descriptor() -> None:
    os.closerange(3, 64)
    time.sleep(30)


def write_noise() -> None:
    os.write(3, b"\xff" * 64)
    time.sleep(30)


def answer_for_itself() -> None:
    os.write(3, b"\0\0\0\3no!")
    time.sleep(30)


def fork_and_return() -> int:
    os.fork()
    return 5


def exit_code_of_a_terminated_fork() -> int | None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()
    return process.exitcode


def leave_a_process_behind() -> int:
    return os.posix_spawnp("sleep", ["sleep", "60"], os.environ, setsid=True)


def meet(directory: str, name: str, other: str) -> str:
    (Path(directory) / name).touch()
    deadline = time.monotonic() + 10
    while not (Path(directory) / other).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{other} never came")
        time.sleep(0.005)
    return name


def returns_a_coroutine() -> Any:
    return greet("nobody")


async def greet(name: str) -> str:
    await asyncio.sleep(0)
    return f"hello {name} from {os.getpid()}"


async def async_refuse() -> None:
    await asyncio.sleep(0)
    raise ValueError("no")


async def async_exit() -> None:
    raise SystemExit(3)


async def async_interrupt() -> None:
    raise KeyboardInterrupt


async def async_recurse() -> None:
    await async_recurse()


async def async_cancels_itself() -> None:
    raise asyncio.CancelledError


async def wait_for_ever(begun: int, path: str) -> None:
    os.write(begun, b"!")
    try:
        await asyncio.Event().wait()
    finally:
        Path(path).write_text("tidied up")


async def turn_cancellation_into_success(begun: int) -> str:
    os.write(begun, b"!")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "as if nothing had happened"
    return "unreachable"


class Greeter:
    async def __call__(self) -> str:
        return "called"


greeter = Greeter()


def lively(count: int) -> str:
    for _ in range(count):
        show_life()
        time.sleep(0.15)
    with ThreadPoolExecutor() as pool:
        pool.submit(show_life).result()
    return "done"


async def lively_in_the_loop() -> str:
    show_life()
    await asyncio.to_thread(show_life)
    return "done"


def total() -> int:
    return sum(parent.result for parent in read_parents())


async def async_total() -> int:
    return sum(parent.result for parent in await fetch_parents())


async def ask_in_the_wrong_way() -> None:
    read_parents()


def split(count: int) -> int:
    for part in range(count):
        submit_on_success(NewTask(kind="call", name=f"{part}", payload={"part": part}))
    submit_on_success(NewTask(kind="call", after=[f"{part}" for part in range(count)]))
    return count


async def async_split() -> None:
    submit_on_success(NewTask(kind="command", timeout=timedelta(minutes=1)))

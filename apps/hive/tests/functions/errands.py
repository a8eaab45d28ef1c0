"""Functions for tests of the helpers for tests."""

import asyncio
import os

from hive_calls import (
    fetch_answers,
    fetch_parents,
    read_answers,
    read_parents,
    submit_on_success,
)
from hive_calls.asking import Ask
from hive_client import Hive, NewTask, SyncHive

done: list[str] = []


async def mail(to: str, subject: str = "hello") -> str:
    done.append(to)
    await asyncio.sleep(0)
    return f"{subject}, {to}"


def where(**_about: str) -> int:
    return os.getpid()


def loop_of_its_own() -> str:
    return asyncio.run(mail("loop"))


def explode(words: str) -> None:
    raise ValueError(words)


def mail_later(to: str) -> None:
    with SyncHive.connect() as hive:
        hive.submit(mail, to)


async def again() -> None:
    async with Hive.connect() as hive:
        await hive.submit(again)


def sum_up(question: str) -> str:
    answers = read_answers()
    if not answers:
        raise Ask(question, options=("yes", "no"))
    submit_on_success(NewTask(kind="command", payload={"argv": ["true"]}))
    return f"{answers[-1].answer} {[parent.result for parent in read_parents()]}"


async def sum_up_in_the_loop(question: str) -> str:
    answers = await fetch_answers()
    if not answers:
        raise Ask(question)
    submit_on_success(NewTask(kind="command", payload={"argv": ["true"]}))
    return f"{answers[-1].answer} {[parent.result for parent in await fetch_parents()]}"

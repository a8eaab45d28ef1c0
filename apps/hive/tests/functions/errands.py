"""Functions for tests of the helpers for tests."""

import asyncio
import os

from hive_client import Hive, SyncHive

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

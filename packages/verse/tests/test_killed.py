"""A process that is killed between two writes leaves a text whole or not at all."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import lines

from hive_verse.haiku import AsyncHaikuHarmonix, HaikuGenerator
from hive_verse.sonnet import AsyncSonnetHarmonix
from hive_verse.wording import trigrams

LONGEST_SECONDS = 90

KEEPING = """
import asyncio, sys
from pathlib import Path
from hive_verse.database import Database
from hive_verse.haiku import AsyncHaikuHarmonix, HaikuGenerator
from hive_verse.sonnet import AsyncSonnetHarmonix

kind, path, last_write, text = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
writes = 0

def counted(write):
    async def writing(self, *values):
        global writes
        result = await write(self, *values)
        writes += 1
        if writes == last_write:
            print("between", flush=True)
            await asyncio.Event().wait()
        return result
    return writing

async def keep():
    if kind == "sonnet":
        async with AsyncSonnetHarmonix(path) as cloud:
            await begin(lambda: cloud.add_sonnet(text))
    else:
        async with AsyncHaikuHarmonix(path) as cloud:
            await begin(lambda: HaikuGenerator(cloud).generate("moon", seed=2))

async def begin(again):
    await again()
    Database.write, Database.write_many = counted(Database.write), counted(Database.write_many)
    await again()

asyncio.run(keep())
"""

SONNET = "\n".join(lines(14))


def kill_between_writes(kind: str, path: Path, last_write: int) -> None:
    """Keep one text whole, and die in the middle of the second."""
    words = [sys.executable, "-c", KEEPING, kind, str(path), str(last_write), SONNET]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        try:
            assert keeper.stdout.readline() == b"between\n"
        finally:
            keeper.send_signal(signal.SIGKILL)
        assert keeper.wait(LONGEST_SECONDS) == -signal.SIGKILL


@pytest.mark.parametrize("last_write", [1, 2, 3, 4])
async def test_a_sonnet_is_whole_or_not_there(tmp_path: Path, last_write: int):
    path = tmp_path / "sonnet.db"
    await asyncio.to_thread(kill_between_writes, "sonnet", path, last_write)
    async with AsyncSonnetHarmonix(path) as cloud:
        stats = await cloud.stats()
        assert (stats.count, stats.lines) == (1, 14)
        assert stats.trigrams_heard == len(trigrams(SONNET))
        await cloud.add_sonnet(SONNET)
        assert (await cloud.stats()).count == 2


@pytest.mark.parametrize("last_write", [1, 2, 3, 4, 5, 6])
async def test_a_haiku_is_whole_or_not_there(tmp_path: Path, last_write: int):
    path = tmp_path / "haiku.db"
    await asyncio.to_thread(kill_between_writes, "haiku", path, last_write)
    async with AsyncHaikuHarmonix(path) as cloud:
        ((weights,),) = await rows(cloud, "select count(*) from words where weight != 1.1")
        stats = await cloud.stats()
        assert (stats.count, stats.lines, weights) == (1, 3, 0)
        (told,) = await cloud.recent()
        assert stats.trigrams_heard == len(trigrams(told.text))
        await HaikuGenerator(cloud).generate("moon")
        assert (await cloud.stats()).count == 2


async def rows(cloud: AsyncHaikuHarmonix, statement: str) -> list[tuple[int]]:
    async with cloud.database.reading():
        return await cloud.database.rows(statement)

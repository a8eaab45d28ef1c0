"""arq: 100 jobs at once, a poll each 10 ms, reads of 1000, no results kept."""
# It is checked where arq is installed, in an environment of its own.
# pyright: basic, reportMissingImports=false

import asyncio
import os

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

from peers.drive import Peer, all_at_once, drive
from peers.probe import UNNUMBERED, here


async def noop(ctx: dict, number: int = UNNUMBERED) -> None:
    here().hit(number)


class Arq(Peer):
    def __init__(self) -> None:
        path = os.environ["BENCH_REDIS"].removeprefix("unix://").partition("?")[0]
        self.settings = RedisSettings(unix_socket_path=path)

    async def open(self) -> None:
        self.pool = await create_pool(self.settings)

    async def submit_many(self, count: int) -> None:
        await all_at_once(count, 200, lambda: self.pool.enqueue_job("noop"))

    async def submit_one(self, number: int) -> None:
        await self.pool.enqueue_job("noop", number)

    def work(self) -> None:
        asyncio.set_event_loop(uvloop.new_event_loop())
        Worker(
            [noop],
            redis_settings=self.settings,
            max_jobs=100,
            poll_delay=0.01,
            queue_read_limit=1000,
            keep_result=0,
            log_results=False,
        ).run()


if __name__ == "__main__":
    drive(Arq())

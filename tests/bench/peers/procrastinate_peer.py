"""Procrastinate: 10 jobs at once (the best of 1, 10 and 100), deferred 1000 at a time."""
# It is checked where Procrastinate is installed, in an environment of its own.
# pyright: basic, reportMissingImports=false

import os

import procrastinate
import uvloop

from peers.drive import Peer, drive
from peers.probe import UNNUMBERED, here

BATCH = 1000


class Procrastinate(Peer):
    def __init__(self) -> None:
        self.app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=os.environ["BENCH_POSTGRES"], min_size=2, max_size=10
            )
        )

        @self.app.task(name="noop")
        async def noop(number: int = UNNUMBERED) -> None:
            here().hit(number)

        self.noop = noop

    async def set_up(self) -> None:
        async with self.app.open_async():
            await self.app.schema_manager.apply_schema_async()

    async def open(self) -> None:
        await self.app.open_async()

    async def submit_many(self, count: int) -> None:
        for begin in range(0, count, BATCH):
            await self.noop.batch_defer_async(*({} for _ in range(min(BATCH, count - begin))))

    async def submit_one(self, number: int) -> None:
        await self.noop.defer_async(number=number)

    def work(self) -> None:
        uvloop.run(self._work())

    async def _work(self) -> None:
        async with self.app.open_async():
            await self.app.run_worker_async(concurrency=10)


if __name__ == "__main__":
    drive(Procrastinate())

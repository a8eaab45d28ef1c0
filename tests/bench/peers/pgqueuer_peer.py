"""PgQueuer: batches of 1000, logged tables; what has ended is deleted from its queue."""
# It is checked where PgQueuer is installed, in an environment of its own.
# pyright: basic, reportMissingImports=false

import os

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from peers.drive import Peer, drive
from peers.probe import UNNUMBERED, here

BATCH = 1000


class PgQueuerPeer(Peer):
    async def set_up(self) -> None:
        await self.open()
        await self.queries.install()

    async def open(self) -> None:
        self.queries = Queries(AsyncpgDriver(await asyncpg.connect(os.environ["BENCH_POSTGRES"])))

    async def submit_many(self, count: int) -> None:
        for begin in range(0, count, BATCH):
            size = min(BATCH, count - begin)
            await self.queries.enqueue(["noop"] * size, [None] * size, [0] * size)

    async def submit_one(self, number: int) -> None:
        await self.queries.enqueue("noop", str(number).encode())

    def work(self) -> None:
        uvloop.run(self._work())

    async def _work(self) -> None:
        connection = await asyncpg.connect(os.environ["BENCH_POSTGRES"])
        queuer = PgQueuer.from_asyncpg_connection(connection)

        @queuer.entrypoint("noop")
        async def noop(job) -> None:
            here().hit(int(job.payload) if job.payload else UNNUMBERED)

        await queuer.qm.run(batch_size=BATCH)


if __name__ == "__main__":
    drive(PgQueuerPeer())

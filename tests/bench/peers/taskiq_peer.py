"""taskiq-redis: a Redis stream, 100 tasks at once, 100 fetched ahead, messages as orjson."""
# It is checked where taskiq is installed, in an environment of its own.
# pyright: basic, reportMissingImports=false

import os
import sys
from pathlib import Path

from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

from peers.drive import Peer, all_at_once, drive
from peers.probe import UNNUMBERED, here

# taskiq's own worker imports the broker from here by name.
broker = RedisStreamBroker(os.environ["BENCH_REDIS"], consumer_id="0", maxlen=None)
broker = broker.with_serializer(ORJSONSerializer())


@broker.task(task_name="noop")
async def noop(number: int = UNNUMBERED) -> None:
    here().hit(number)


class Taskiq(Peer):
    async def open(self) -> None:
        await broker.startup()

    async def submit_many(self, count: int) -> None:
        await all_at_once(count, 200, noop.kiq)

    async def submit_one(self, number: int) -> None:
        await noop.kiq(number)

    def work(self) -> None:
        taskiq = str(Path(sys.executable).with_name("taskiq"))
        options = ["--workers", "1", "--max-async-tasks", "100", "--max-prefetch", "100"]
        quiet = ["--log-level", "WARNING", "--no-parse"]
        os.execv(taskiq, [taskiq, "worker", "peers.taskiq_peer:broker", *options, *quiet])


if __name__ == "__main__":
    drive(Taskiq())

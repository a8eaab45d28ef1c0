"""Hive, as its users submit to it: through the Python client. Its workers are `hive worker`."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from hive_client import Hive
from hive_contracts.tasks import NewTask
from peers.drive import Peer

__all__ = ["FUNCTION", "HivePeer"]

FUNCTION: Final = "peers.hive_handler:noop"
BATCH: Final = 10_000


class HivePeer(Peer):
    def __init__(self, database_url: str, redis_url: str) -> None:
        self._urls = database_url, redis_url
        self._closing = AsyncExitStack()

    async def open(self) -> None:
        self._hive = await self._closing.enter_async_context(Hive.connect(*self._urls))

    async def close(self) -> None:
        await self._closing.aclose()

    async def submit_many(self, count: int) -> None:
        task = NewTask(kind="call", payload=_payload({}))
        for begin in range(0, count, BATCH):
            await self._hive.submit_many([task] * min(BATCH, count - begin))

    async def submit_one(self, number: int) -> None:
        await self._hive.submit("call", _payload({"number": number}))

    def work(self) -> None:
        raise NotImplementedError("Hive's workers are `hive worker`")


def _payload(kwargs: Mapping[str, int]) -> dict[str, object]:
    return {"function": FUNCTION, "kwargs": dict(kwargs)}

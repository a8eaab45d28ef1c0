"""Queens that are killed while they deliver: nothing is lost, and each task's events keep order."""

import asyncio
import json
import signal
from collections import defaultdict

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_store import EventFilter, open_line
from hive_store.deeds import myself
from hive_store.webhook_store import Target, WebhookStore
from hive_testkit.cluster import Cluster
from hive_testkit.waiting import until

TASKS = 40
KILLS = 3
ENDS = {"succeeded"}


class Receiver:
    """Takes deliveries, now and then without an answer."""

    def __init__(self) -> None:
        self.deliveries: dict[str, str] = {}
        self.told: defaultdict[TaskId, list[str]] = defaultdict(list)
        self.requests = 0
        self.arrived = asyncio.Event()
        self.is_silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            named = dict(line.split(": ", 1) for line in head[1:] if line)
            body = (await reader.readexactly(int(named["content-length"]))).decode()
            self.take(named["webhook-id"], body)
            self.arrived.set()
            if self.is_silent:
                # Until the queen that sent it is killed, and the connection with her.
                await reader.read()
                return
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            writer.close()

    def take(self, name: str, body: str) -> None:
        self.requests += 1
        if name in self.deliveries:
            assert self.deliveries[name] == body
            return
        self.deliveries[name] = body
        for event in json.loads(body)["events"]:
            for task_id in event["task_ids"]:
                self.told[task_id].append(event["type"])

    @property
    def ended(self) -> int:
        return sum(1 for types in self.told.values() if ENDS & set(types))


async def test_queens_killed_while_they_deliver_lose_nothing(cluster: Cluster, hive: Hive) -> None:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with open_line(cluster.database_url) as line:
        target = Target(url=f"http://{host}:{port}/", secret=None)
        await WebhookStore(line).add(target, EventFilter(), actor=myself())
        cluster.start("worker", "worker")
        task_ids = await cluster.submit(hive, TASKS)
        async with asyncio.timeout(110):
            for kill in range(KILLS):
                receiver.is_silent, receiver.arrived = True, asyncio.Event()
                cluster.start(f"queen {kill}", "queen")
                await receiver.arrived.wait()
                cluster.signal(f"queen {kill}", signal.SIGKILL)
                # What the dead queen held is free again after a while, which passes here.
                async with line.lent() as connection:
                    await connection.execute("update hive.webhook set held_until = '-infinity'")
            receiver.is_silent = False
            cluster.start("last queen", "queen")
            await until(lambda: receiver.ended == TASKS, within_seconds=100)
    server.close()
    assert set(receiver.told) == set(task_ids)
    for types in receiver.told.values():
        assert types[0] == "queued"
        assert types[-1] == "succeeded"
        assert types.count("succeeded") == 1
    assert receiver.requests > len(receiver.deliveries)

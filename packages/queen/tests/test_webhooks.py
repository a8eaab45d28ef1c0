"""Webhooks, against a real endpoint that misbehaves: all of it, in order, under the same ids."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from hive_contracts.errors import UsageError
from hive_contracts.events import EventType
from hive_contracts.ids import TaskId
from hive_contracts.signing import signature
from hive_queen.posting import check_url, deliver
from hive_queen.settings import QueenSettings
from hive_queen.webhooks import Webhooks
from hive_store import HOT_SETTINGS, EventFilter, open_line
from hive_store.deeds import Actor
from hive_store.delivery_store import Delivery, DeliveryStore
from hive_store.webhook_reports import WebhookReports
from hive_store.webhook_store import Target, WebhookStore
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import Ground
from hive_testkit.timing import pass_time
from hive_testkit.tls import Authority
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Answering: TypeAlias = Callable[["Request"], Awaitable[bytes | None]]

SECRET = "whsec_" + base64.b64encode(b"a secret of some length").decode()
ACTOR = Actor("ann", "desk")
LONGEST_SECONDS = 60


@dataclass(frozen=True)
class Request:
    """What an endpoint was sent."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        return json.loads(self.body)["events"]


def answer(status: int, *lines: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {status} Whatever\r\ncontent-length: 2\r\n{head}\r\nok".encode()


@dataclass
class Endpoint:
    """An HTTP server: what it is sent, and what it answers; None drops the connection."""

    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    answering: Answering | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            named = dict(header.split(": ", 1) for header in headers)
            body = await reader.readexactly(int(named["content-length"]))
            request = Request(line, named, body)
            self.requests.append(request)
            reply = answer(200) if self.answering is None else await self.answering(request)
            if reply is not None:
                writer.write(reply)
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    def task_ids(self) -> list[int]:
        """What arrived, in order, each delivery as it came first."""
        first = {request.headers["webhook-id"]: request for request in reversed(self.requests)}
        kept = [r for r in self.requests if first[r.headers["webhook-id"]] is r]
        return [i for request in kept for event in request.events for i in event["task_ids"]]


@asynccontextmanager
async def endpoint(tls: ssl.SSLContext | None = None) -> AsyncGenerator[Endpoint]:
    it = Endpoint()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    it.url = f"{'http' if tls is None else 'https'}://{host}:{port}/in?x=1"
    try:
        yield it
    finally:
        server.close()


@dataclass
class Scene:
    store: WebhookStore
    reports: WebhookReports
    deliveries: DeliveryStore
    metrics: Metrics
    ground: Ground
    database: Connection

    async def add(self, url: str, secret: str | None = SECRET, **wanted: Any) -> int:
        return await self.store.add(
            Target(url=url, secret=secret), EventFilter(**wanted), actor=ACTOR
        )

    async def submit(self, count: int, **options: Any) -> list[TaskId]:
        """Submit tasks, each in an event of its own."""
        return [(await self.ground.submit(1, **options))[0] for _ in range(count)]

    async def not_again(self) -> None:
        """Let the back-off of every webhook be over, and every hold of a dead queen."""
        await pass_time(self.database, 3600)


@pytest.fixture
async def scene(database_url: str, ground: Ground, database: Connection) -> AsyncGenerator[Scene]:
    async with open_line(database_url) as line:
        yield Scene(
            WebhookStore(line),
            WebhookReports(line),
            DeliveryStore(line),
            Metrics(),
            ground,
            database,
        )


@asynccontextmanager
async def delivering(scene: Scene, url: str, *, days: int = 3) -> AsyncGenerator[None]:
    """A queen's webhooks, ended at once in the end, as when she is killed."""
    async with open_line(url, settings=HOT_SETTINGS) as line:
        webhooks = Webhooks(line, settings=QueenSettings(webhook_days=days), metrics=scene.metrics)
        async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as group:
            running = group.create_task(webhooks.run())
            try:
                yield
            finally:
                running.cancel()


async def test_events_are_delivered_in_order_and_signed(scene: Scene, database_url: str) -> None:
    before = await scene.submit(1)
    async with endpoint() as there:
        await scene.add(there.url)
        task_ids = await scene.submit(5)
        async with delivering(scene, database_url):
            await until(lambda: len(there.task_ids()) == 5, within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
    assert there.task_ids() == task_ids
    assert before[0] not in task_ids
    request = there.requests[0]
    assert request.line == "POST /in?x=1 HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.events[0]["type"] == "queued"
    assert json.loads(request.body)["delivery"] == request.headers["webhook-id"]
    name, moment = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    digest = hmac.new(
        base64.b64decode(SECRET.removeprefix("whsec_")),
        f"{name}.{moment}.".encode() + request.body,
        hashlib.sha256,
    ).digest()
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert scene.metrics.value("hive_webhook_deliveries_total", outcome="delivered")


async def test_a_webhook_gets_what_it_wants_and_nothing_else(
    scene: Scene, database_url: str
) -> None:
    async with endpoint() as there:
        await scene.add(there.url, None, queue="x", types=frozenset({EventType.CANCELLED}))
        wanted, other = (await scene.submit(1, queue="x"))[0], (await scene.submit(1))[0]
        await scene.ground.tasks.cancel([wanted, other])
        async with delivering(scene, database_url):
            await until(lambda: bool(there.requests), within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
    [event] = [event for request in there.requests for event in request.events]
    assert (event["type"], event["task_ids"]) == ("cancelled", [wanted])
    assert "webhook-signature" not in there.requests[0].headers


async def _is_idle(scene: Scene) -> bool:
    return all(webhook.pending_seconds is None for webhook in await scene.reports.all())


async def test_what_fails_is_sent_again_under_its_id_and_nothing_overtakes_it(
    scene: Scene, database_url: str
) -> None:
    failures = [answer(500), None, b"SMTP ready\r\n", answer(302, "location: http://other/"), b""]

    async def misbehave(_: Request) -> bytes | None:
        return failures.pop(0) if failures else answer(204)

    async with endpoint() as there:
        there.answering = misbehave
        await scene.add(there.url)
        first = await scene.submit(3)
        async with delivering(scene, database_url):
            for count in range(1, len(failures) + 1):
                await until(lambda: _has_failed(scene, count), within_seconds=LONGEST_SECONDS)  # noqa: B023
                await scene.not_again()
            second = await scene.submit(2)
            await until(lambda: len(there.task_ids()) == 5, within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
    assert there.task_ids() == first + second
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    for request in there.requests:
        bodies[request.headers["webhook-id"]].add(request.body)
    assert {len(seen) for seen in bodies.values()} == {1}
    [webhook] = await scene.reports.all()
    assert (webhook.state, webhook.last_error) == ("active", None)
    [*_, tried] = await scene.reports.deliveries(webhook.id, limit=10)
    assert (tried.tries, tried.state, tried.status) == (6, "delivered", 204)


async def _has_failed(scene: Scene, times: int = 1) -> bool:
    return any(webhook.failures >= times for webhook in await scene.reports.all())


async def test_a_dead_endpoint_holds_up_no_other(scene: Scene, database_url: str) -> None:
    stuck = asyncio.Event()

    async def hang(_: Request) -> bytes | None:
        await stuck.wait()
        return None

    async with endpoint() as dead, endpoint() as fine:
        dead.answering = hang
        for url in (dead.url, "http://127.0.0.1:1/", fine.url):
            await scene.add(url)
        task_ids = await scene.submit(3)
        async with delivering(scene, database_url):
            await until(lambda: len(fine.task_ids()) == 3, within_seconds=LONGEST_SECONDS)
            task_ids += await scene.submit(2)
            await until(lambda: len(fine.task_ids()) == 5, within_seconds=LONGEST_SECONDS)
        stuck.set()
    assert fine.task_ids() == task_ids
    assert len({request.headers["webhook-id"] for request in dead.requests}) == 1


async def test_two_queens_deliver_everything_once_each_if_nobody_dies(
    scene: Scene, database_url: str
) -> None:
    async with endpoint() as there:
        await scene.add(there.url)
        async with delivering(scene, database_url), delivering(scene, database_url):
            task_ids = await scene.submit(30)
            await until(lambda: len(there.task_ids()) == 30, within_seconds=LONGEST_SECONDS)
    assert there.task_ids() == task_ids
    assert len({r.headers["webhook-id"] for r in there.requests}) == len(there.requests)


async def test_what_was_on_its_way_when_a_queen_died_is_sent_again_by_another(
    scene: Scene, database_url: str
) -> None:
    arrived, forever = asyncio.Event(), asyncio.Event()

    async def hang(_: Request) -> bytes | None:
        arrived.set()
        await forever.wait()
        return None

    async with endpoint() as there:
        there.answering = hang
        await scene.add(there.url)
        task_ids = await scene.submit(3)
        async with delivering(scene, database_url):
            await arrived.wait()
        there.answering = None
        forever.set()
        task_ids += await scene.submit(2)
        await scene.not_again()
        async with delivering(scene, database_url):
            await until(lambda: len(there.task_ids()) == 5, within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
    assert there.task_ids() == task_ids
    first, again, *_ = there.requests
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])


async def test_a_webhook_that_has_failed_for_days_is_paused_and_resumed_by_hand(
    scene: Scene, database_url: str
) -> None:
    async def refuse(_: Request) -> bytes:
        return answer(503)

    async with endpoint() as there:
        there.answering = refuse
        webhook_id = await scene.add(there.url)
        skipped = await scene.submit(1)
        async with delivering(scene, database_url, days=2):
            await until(lambda: _has_failed(scene), within_seconds=LONGEST_SECONDS)
            await pass_time(scene.database, 3 * 86400)
            await until(lambda: _is_paused(scene), within_seconds=LONGEST_SECONDS)
            [webhook] = await scene.reports.all()
            assert webhook.pause_reason == "it has failed for too long"
            assert webhook.last_error == "answered 503"
            there.answering = None
            there.requests.clear()
            later = await scene.submit(1)
            assert await scene.store.resume(webhook_id, skips=True, actor=ACTOR)
            await until(lambda: there.task_ids() == later, within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
    states = [d.state for d in await scene.reports.deliveries(webhook_id, limit=10)]
    assert states == ["delivered", "given up"]
    assert skipped[0] not in there.task_ids()


async def _is_paused(scene: Scene) -> bool:
    return any(webhook.state == "paused" for webhook in await scene.reports.all())


async def test_a_receiver_that_is_gone_is_asked_no_more(scene: Scene, database_url: str) -> None:
    async def gone(_: Request) -> bytes:
        return answer(410)

    async with endpoint() as there:
        there.answering = gone
        await scene.add(there.url)
        await scene.submit(1)
        async with delivering(scene, database_url):
            await until(lambda: _is_paused(scene), within_seconds=LONGEST_SECONDS)
    assert len(there.requests) == 1


async def test_what_was_dropped_before_it_was_delivered_is_told_and_gone_over(
    scene: Scene, database_url: str
) -> None:
    async with endpoint() as there:
        await scene.add(there.url)
        await scene.database.execute(
            "insert into hive.event_horizon (xid, id, at)"
            " values (pg_current_xact_id(), 5, '2020-01-01 10:00+00')"
        )
        task_ids = await scene.submit(1)
        async with delivering(scene, database_url):
            await until(lambda: there.task_ids() == task_ids, within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
    told = json.loads(there.requests[0].body)
    assert "events up to 2020-01-01 10:00:00 UTC were dropped" in told["missed"]
    assert "missed" not in json.loads(there.requests[-1].body)


async def test_old_deliveries_are_forgotten_and_pending_ones_kept(
    scene: Scene, database_url: str
) -> None:
    async with endpoint() as there:
        webhook_id = await scene.add(there.url)
        await scene.submit(1)
        async with delivering(scene, database_url):
            await until(lambda: bool(there.requests), within_seconds=LONGEST_SECONDS)
            await until(lambda: _is_idle(scene), within_seconds=LONGEST_SECONDS)
        await scene.add("http://127.0.0.1:1/")
        await pass_time(scene.database, 8 * 86400)
        assert await scene.deliveries.forget(ended=timedelta(days=7), limit=10) == 1
        assert await scene.reports.deliveries(webhook_id, limit=10) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x/",
        "https://",
        "http://x:99999/",
        "http://x/a b",
        "http://x/\r\nevil",
        "http://é/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="leads to an address like"):
        check_url(url)


async def test_what_plain_sql_has_added_is_held_to_the_same_and_told(
    scene: Scene, database_url: str
) -> None:
    """The rows of a webhook are a table's, and a queen outlives whatever stands in it."""
    async with endpoint() as there:
        await scene.database.execute(
            "insert into hive.webhook (url, types) values"
            " ('file:///etc/passwd', '{}'), ($1, '{queued,no such type}')",
            there.url,
        )
        [task_id] = await scene.submit(1)
        async with delivering(scene, database_url):
            await until(lambda: there.task_ids() == [task_id], within_seconds=LONGEST_SECONDS)

            async def is_told() -> bool:
                strange = (await scene.reports.all())[0]
                return "leads to an address like" in (strange.last_error or "")

            await until(is_told, within_seconds=LONGEST_SECONDS)


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(UsageError, match="no user and no password"):
        check_url("https://me:secret@example.com/")


async def test_a_certificate_that_nobody_vouches_for_is_no_way_to_send(tmp_path: Path) -> None:
    async with endpoint(Authority(tmp_path).context_for("127.0.0.1")) as there:
        target = Target(url=there.url, secret=None)
        result = await deliver(target, Delivery(uuid4(), "{}"), now=1)
    assert result.status is None
    assert str(result.error).startswith("its certificate is refused: ")
    assert there.requests == []


def test_the_signature_is_that_of_the_specifications_example() -> None:
    assert (
        signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )

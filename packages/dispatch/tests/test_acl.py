"""The users that Hive ships for a Redis: each does its part, and is refused everything else."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from hive_contracts.bundles import Bundle
from hive_contracts.errors import BusUnavailableError
from hive_contracts.ids import LeaseId
from hive_dispatch.receiver import BundleReceiver
from hive_dispatch.sender import BundleSender
from hive_testkit.guarded_redis import GuardedRedis, running_guarded_redis
from hive_testkit.plugin import temporary_directory
from hive_testkit.waiting import until

ROLES = ("submitter", "viewer", "queen", "worker")


@pytest_asyncio.fixture
async def redis() -> AsyncGenerator[GuardedRedis]:
    with temporary_directory() as folder:
        async with running_guarded_redis(folder, prefixes=("hive", "other")) as found:
            yield found


async def ask(redis: GuardedRedis, role: str, *words: str, prefix: str = "hive") -> Any:
    client_class: Any = Redis  # redis-py leaves its options untyped
    client = client_class.from_url(redis.url_of(role, prefix=prefix))
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "words",
    [
        ("GET", "other:epoch"),
        ("SET", "hive2:epoch", "1"),
        ("LPUSH", "other:bell:default", "1"),
        ("GET", "arq:job:other:1"),
        ("PUBLISH", "other:events", "x"),
        ("SUBSCRIBE", "other:events"),
        ("PUBLISH", "other:talk:said:7", "x"),
        ("PSUBSCRIBE", "*"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("EVAL", "return 1", "0"),
        ("MONITOR",),
    ],
)
async def test_nobody_leaves_the_prefix_or_rules_the_server(
    redis: GuardedRedis, role: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(NoPermissionError):
        await ask(redis, role, *words)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("submitter", ("GET", "hive:epoch")),
        ("submitter", ("RPUSH", "hive:bell:default", "1")),
        ("submitter", ("PUBLISH", "hive:leases", "x")),
        ("viewer", ("PUBLISH", "hive:events", "x")),
        ("viewer", ("PUBLISH", "hive:talk:said:7", "x")),
        ("viewer", ("SUBSCRIBE", "hive:talk:shown:7")),
        ("queen", ("PUBLISH", "hive:talk:said:7", "x")),
        ("viewer", ("GET", "arq:job:hive:1")),
        ("worker", ("SET", "hive:epoch", "1")),
        ("worker", ("PSETEX", "arq:job:hive:1", "1000", "x")),
        ("worker", ("ZADD", "hive:queue:default", "1", "x")),
        ("queen", ("PUBLISH", "hive:cancels", "x")),
    ],
)
async def test_a_user_is_refused_what_another_role_does(
    redis: GuardedRedis, role: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(NoPermissionError):
        await ask(redis, role, *words)


@pytest.mark.parametrize("role", ["submitter", "worker"])
async def test_who_submits_and_who_works_speak_with_one_another(
    redis: GuardedRedis, role: str
) -> None:
    assert await ask(redis, role, "PUBLISH", "hive:talk:said:7", "x") == 0


async def test_two_hives_with_the_same_words_do_not_see_each_other(redis: GuardedRedis) -> None:
    await ask(redis, "queen", "SET", "hive:epoch", "ours")
    await ask(redis, "queen", "SET", "other:epoch", "theirs", prefix="other")
    assert await ask(redis, "queen", "GET", "hive:epoch") == b"ours"
    assert await ask(redis, "queen", "GET", "other:epoch", prefix="other") == b"theirs"


async def test_a_sender_whose_prefix_its_user_does_not_have_is_told_so_without_the_password(
    redis: GuardedRedis,
) -> None:
    url = redis.url_of("queen")
    async with BundleSender(url, "other") as sender:
        with pytest.raises(BusUnavailableError, match="No permissions") as refused:
            await sender.check_epoch()
    assert "secret-of" not in str(refused.value)


async def test_a_wrong_password_is_told_so_without_the_password(redis: GuardedRedis) -> None:
    url = redis.url_of("queen").replace("secret-of-hive_queen", "not-the-password")
    async with BundleSender(url) as sender:
        with pytest.raises(BusUnavailableError, match="invalid username-password pair") as refused:
            await sender.check_epoch()
    assert "not-the-password" not in str(refused.value)


def test_the_file_gives_no_password_away_and_lets_nobody_in_without_one() -> None:
    file = Path(__file__).parents[1] / "src" / "hive_dispatch" / "redis-acl.conf"
    users = [line for line in file.read_text("utf-8").splitlines() if line.startswith("user ")]
    assert len(users) == len(ROLES)
    for line in users:
        words = line.split()
        assert words[2:4] == ["on", "resetpass"]
        assert not [word for word in words if word[0] in "#>" or word == "nopass"]


async def test_bundles_go_from_the_queens_user_to_the_workers_by_the_bell_and_by_a_look(
    redis: GuardedRedis,
) -> None:
    accepted: list[Bundle] = []

    async def accept(bundle: Bundle) -> None:
        accepted.append(bundle)

    async def wait_for_room() -> int:
        return 10

    sent = [Bundle(lease_id=LeaseId(uuid4()), queue="default", size=1) for _ in range(40)]
    receiver = BundleReceiver(
        redis.url_of("worker"),
        "hive",
        "default",
        accept=accept,
        wait_for_room=wait_for_room,
        max_bundles=10,
    )
    async with BundleSender(redis.url_of("queen"), "hive") as sender, asyncio.TaskGroup() as group:
        await sender.send(sent[:1], ttl_seconds=30)
        receiving = group.create_task(receiver.run())
        await until(lambda: accepted == sent[:1])
        await sender.send(sent[1:2], ttl_seconds=30)
        await until(lambda: accepted == sent[:2])
        await sender.send(sent[2:], ttl_seconds=30)
        await until(lambda: {b.lease_id for b in accepted} == {b.lease_id for b in sent})
        receiving.cancel()

"""People and attempts over a Redis: what is said is done once, what is printed has its place."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from hive_bus.bus import Bus
from hive_bus.subscription import Subscription
from hive_contracts.clocks import BootClock
from hive_contracts.conversing import BUSY, TAKEN, Answer, Heard, Said, Shown
from hive_contracts.ids import TaskId
from hive_testkit.waiting import until
from hive_worker.switchboard import REMEMBERED_BYTES, BusConversation, BusSwitchboard

TASK = TaskId(7)


@pytest.fixture
async def bus(redis_url: str) -> AsyncGenerator[Bus]:
    async with Bus.open(redis_url) as bus:
        yield bus


class Program:
    """Reads what is said to it."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.answers: list[Answer] = []

    def hear(self, said: Said) -> Answer:
        answer = self.answers.pop(0) if self.answers else TAKEN
        if answer == TAKEN:
            self.read.append(said.data)
        return answer


class Person:
    """Says things, and sees what comes."""

    def __init__(self, bus: Bus, frames: "Subscription[Heard | Shown]") -> None:
        self.screen = bytearray()
        self.positions: list[int] = []
        self._bus = bus
        self._frames = frames

    async def say(self, number: int, data: bytes = b"", **more: Any) -> Heard:
        """Say something until it is answered: who listens may not be there yet."""
        said = Said(task_id=TASK, speaker="me", number=number, data=data, **more)
        heard = None
        async with asyncio.timeout(20):
            # What was said again before its answer came is answered again, later.
            while heard is None or heard.number != number:
                await self._bus.publish(said)
                heard = await self.see_for(0.2)
        return heard

    async def see_for(self, seconds: float) -> Heard | None:
        """Take in what comes, for that time at most, up to the next answer; return that."""
        try:
            async with asyncio.timeout(seconds):
                async for frame in self._frames:
                    if isinstance(frame, Heard):
                        return frame
                    if isinstance(frame, Shown):
                        self.positions.append(frame.position)
                        self.screen += frame.data
        except TimeoutError:
            pass
        return None

    async def sees(self, text: bytes) -> None:
        async def has_seen() -> bool:
            await self.see_for(0.05)
            return text in self.screen

        await until(has_seen, within_seconds=20)


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
async def talk(bus: Bus, program: Program) -> AsyncGenerator[tuple[Person, BusConversation]]:
    async with (
        bus.subscribe(Heard, Shown, task_ids={TASK}) as frames,
        BusSwitchboard(bus, BootClock()).open(TASK, program.hear, position=0) as conversation,
    ):
        yield Person(bus, frames), conversation


Talk = tuple[Person, BusConversation]


async def test_what_is_said_twice_is_read_once_and_answered_twice(
    talk: Talk, program: Program
) -> None:
    person, _ = talk
    answers = [await person.say(1, b"a"), await person.say(1, b"a"), await person.say(2, b"b")]
    assert program.read == [b"a", b"b"]
    assert [heard.number for heard in answers] == [1, 1, 2]
    assert {heard.answer for heard in answers} == {TAKEN}


async def test_a_refusal_is_passed_on_and_what_was_busy_is_asked_again(
    talk: Talk, program: Program
) -> None:
    person, _ = talk
    program.answers = [BUSY, TAKEN, Answer(refusal="no")]
    assert (await person.say(1, b"a")).answer == BUSY
    assert (await person.say(1, b"a")).answer == TAKEN
    assert (await person.say(2, b"b")).answer == Answer(refusal="no")
    assert (await person.say(2, b"b")).answer == Answer(refusal="no")
    assert program.read == [b"a"]


async def test_who_comes_later_sees_what_was_printed_before_and_then_what_comes(
    talk: Talk,
) -> None:
    person, conversation = talk
    conversation.show(b"before ")
    await person.say(1, watches=True, shown_from=0)
    await person.sees(b"before ")
    conversation.show(b"after")
    await person.sees(b"after")
    assert bytes(person.screen) == b"before after"
    assert person.positions == [0, 7]


async def test_what_is_shown_stands_behind_what_the_attempt_had_printed_before(
    bus: Bus, program: Program
) -> None:
    async with (
        bus.subscribe(Heard, Shown, task_ids={TASK}) as frames,
        BusSwitchboard(bus, BootClock()).open(TASK, program.hear, position=100) as conversation,
    ):
        person = Person(bus, frames)
        conversation.show(b"first ")
        await person.say(1, watches=True, shown_from=0)
        await person.sees(b"first ")
        conversation.show(b"then")
        await person.sees(b"then")
    assert bytes(person.screen) == b"first then"
    assert person.positions == [100, 106]


async def test_nothing_is_shown_while_nobody_watches(talk: Talk) -> None:
    person, conversation = talk
    conversation.show(b"x")
    await person.say(1, b"typed")
    conversation.show(b"y")
    await person.say(2, watches=True)
    conversation.show(b"z")
    await person.sees(b"z")
    assert bytes(person.screen) == b"z"
    assert person.positions == [2]


async def test_what_was_lost_on_the_way_is_shown_again_from_its_place(talk: Talk) -> None:
    person, conversation = talk
    await person.say(1, watches=True, shown_from=0)
    conversation.show(b"abcdef")
    await person.sees(b"abcdef")
    await person.say(2, watches=True, shown_from=4)
    await person.sees(b"abcdefef")
    assert person.positions == [0, 4]


async def test_a_flood_costs_a_bounded_memory_and_ends_with_its_end(talk: Talk) -> None:
    person, conversation = talk
    await person.say(1, watches=True, shown_from=0)
    for _ in range(1000):
        conversation.show(b"x" * 65536)
        assert conversation.remembered_bytes <= 2 * REMEMBERED_BYTES
    conversation.show(b"the end")
    await person.sees(b"the end")
    assert len(person.screen) <= 2 * REMEMBERED_BYTES + 65536
    assert person.positions[-1] + len(b"the end") <= 1000 * 65536 + len(b"the end")


async def test_two_attempts_are_told_apart_by_their_name(bus: Bus, program: Program) -> None:
    async with bus.subscribe(Heard, Shown, task_ids={TASK}) as frames:
        person = Person(bus, frames)
        names: set[str] = set()
        for number in (1, 2):
            async with BusSwitchboard(bus, BootClock()).open(TASK, program.hear, position=0):
                names.add((await person.say(number)).conversation)
    assert len(names) == 2


async def test_an_attempt_ends_although_its_redis_is_away(program: Program) -> None:
    async with (
        asyncio.timeout(20),
        Bus.open("redis://127.0.0.1:1/0") as bus,
        BusSwitchboard(bus, BootClock()).open(TASK, program.hear, position=0) as conversation,
    ):
        conversation.show(b"nobody sees it")

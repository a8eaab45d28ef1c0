"""The host: takes requests on the event loop, and has engines beside it do the work.

    generate, embed ──▶ waiting room ──▶ the seat with most room ──▶ its engine
            ◀──────────────── pieces, vectors, the end ◀────────────────┘

Requests wait here, not in the seats: a seat is given no more than it has slots for, so that the
highest priority goes first wherever room comes up, and a child that dies takes with it only what
was running there. Those requests end with `LostError`; a new child takes its place.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from hive_inference.errors import InferenceError, LostError
from hive_inference.host.requests import Place, Request, good
from hive_inference.host.seats import ChildSeat, Seat, ThreadSeat
from hive_inference.host.sharing import Share, merge, share_out
from hive_inference.host.wire import Cancel, Submit
from hive_inference.messages import ENDS, Ask, Embed, Embedded, End, Ended, Generate, News, Piece
from hive_inference.settings import HostSettings
from hive_inference.waiting import Waiting, WaitingRoom

__all__ = ["Host", "HostState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """How a host does at a moment."""

    waiting: int
    running: int
    seats: int
    """Engines that are ready."""

    lost: int
    """Engines that have gone since the host was opened."""

    load_seconds: float
    """How long the engine that was ready last took to load its models."""


class MakeSeat(Protocol):
    """Makes a seat for an engine."""

    def __call__(self) -> Seat:
        """Return a seat that is not open yet."""
        ...


class Host:
    """Models in the hands of some engines."""

    def __init__(self, settings: HostSettings, make_seat: MakeSeat) -> None:
        self._settings = settings
        self._make_seat = make_seat
        self._waiting = WaitingRoom[Ask](settings.engine.queue_capacity)
        self._requests: dict[int, Request] = {}
        self._places: list[Place] = []
        self._numbers = 0
        self._lost = 0
        self._load_seconds = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folders: Mapping[str, Path], settings: HostSettings
    ) -> AsyncGenerator["Host"]:
        """Serve the models in `folders`, by their names, until the context closes.

        Raises:
            WeightsError: a model cannot be loaded.
            LostError: a child was gone before it had loaded its models.
        """
        # An engine is handed as much as it has slots for, and must not refuse that.
        capacity = max(settings.engine.queue_capacity, settings.engine.slots)
        engine = replace(settings.engine, queue_capacity=capacity)

        def make_seat() -> Seat:
            if settings.children == 0:
                return ThreadSeat(folders, engine)
            return ChildSeat(folders, engine, nice=settings.nice)

        host = cls(settings, make_seat)
        # The first loads alone, so that the others find weights folded and plans made.
        first = await host._open_seat()
        failure: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            seats = [first, *[None] * (settings.children - 1)]
            keepers = [group.create_task(host._keep(s), name="inference.keep") for s in seats]
            try:
                yield host
            except BaseException as error:  # noqa: BLE001 - raised below, once the seats are closed
                # Left to the group, it would come out wrapped in an `ExceptionGroup`.
                failure = error
            for keeper in keepers:
                keeper.cancel()
        if failure is not None:
            raise failure

    @property
    def state(self) -> HostState:
        """Return how the host does."""
        return HostState(
            waiting=len(self._waiting),
            running=sum(len(place.running) for place in self._places),
            seats=len(self._places),
            lost=self._lost,
            load_seconds=self._load_seconds,
        )

    async def generate(self, ask: Generate) -> AsyncGenerator[Piece | Ended]:
        """Yield a text piece by piece, and how it ended; closing the generator calls it off.

        Raises:
            FullError: too many requests wait already.
            LostError: the engine that was at it is gone; ask again.
            RequestError: it cannot be served as it stands.
        """
        async with aclosing(self._ask(ask)) as news:
            async for item in news:
                if not isinstance(item, Embedded):
                    yield item

    async def embed(
        self, ask: Embed, *, heard: Callable[[], None] | None = None
    ) -> tuple[Sequence[bytes], Ended]:
        """Return a vector for each text, float32, and how it ended: late, some are empty.

        Many texts are shared out among the engines. Cancelling the call calls it off. `heard` is
        called with each vector that comes.

        Raises:
            FullError: too many requests wait already.
            LostError: the engine that was at it is gone; ask again.
            RequestError: it cannot be served as it stands.
        """
        vectors = [b""] * len(ask.texts)
        shares = share_out(ask, len(self._places))
        if len(shares) == 1:
            return vectors, await self._embed(shares[0], vectors, heard)
        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(self._embed(s, vectors, heard)) for s in shares]
        except ExceptionGroup as failed:
            # Which of the shares failed is no matter to whoever asked for the whole.
            raise failed.exceptions[0] from None
        return vectors, merge([part.result() for part in parts])

    async def _embed(
        self, share: Share, vectors: list[bytes], heard: Callable[[], None] | None
    ) -> Ended:
        async with aclosing(self._ask(share.ask)) as news:
            async for item in news:
                if isinstance(item, Embedded):
                    vectors[share.places[item.place]] = item.vector
                    if heard is not None:
                        heard()
                elif isinstance(item, Ended):
                    return item
        raise AssertionError("a request's last news is its end")

    async def _ask(self, ask: Ask) -> AsyncGenerator[Piece | Embedded | Ended]:
        number = self._numbers = self._numbers + 1
        request = self._requests[number] = Request()
        loop = asyncio.get_running_loop()
        late = None
        try:
            self._wait(number, ask)
            if ask.within_seconds is not None:
                late = loop.call_later(ask.within_seconds, self._end_waiting, number)
            while True:
                await request.has_news.wait()
                request.has_news.clear()
                while request.news:
                    item = request.news.popleft()
                    yield good(item)
                    if isinstance(item, Ended):
                        return
        finally:
            if late is not None:
                late.cancel()
            self._call_off(number)

    def _wait(self, number: int, ask: Ask) -> None:
        now = asyncio.get_running_loop().time()
        limit = math.inf if ask.within_seconds is None else ask.within_seconds
        waiting = Waiting(
            number=number, ask=ask, priority=ask.priority, since=now, until=now + limit
        )
        if self._free_place() is None:
            self._waiting.add(waiting)
        else:
            self._hand_over(waiting)

    def _hand_out(self) -> None:
        while self._free_place() is not None and (waiting := self._waiting.take()) is not None:
            self._hand_over(waiting)

    def _hand_over(self, waiting: Waiting[Ask]) -> None:
        place = self._free_place()
        if place is None:
            raise AssertionError("nothing is handed over without room for it")
        now = asyncio.get_running_loop().time()
        request, ask = self._requests[waiting.number], waiting.ask
        request.place, request.waited_seconds = place, now - waiting.since
        place.running.add(waiting.number)
        if ask.within_seconds is not None:
            ask = replace(ask, within_seconds=max(waiting.until - now, 1e-3))
        place.seat.send([Submit(waiting.number, ask)])

    def _free_place(self) -> Place | None:
        place = min(self._places, key=lambda place: len(place.running), default=None)
        if place is None or len(place.running) >= self._settings.engine.slots:
            return None
        return place

    def _hear(self, news: Sequence[News]) -> None:
        for item in news:
            request = self._requests.get(item.number)
            if isinstance(item, ENDS):
                self._forget(item.number)
            if request is not None:
                waited = request.waited_seconds
                request.tell(
                    replace(item, waited_seconds=item.waited_seconds + waited)
                    if isinstance(item, Ended)
                    else item
                )
        self._hand_out()

    def _forget(self, number: int) -> None:
        for place in self._places:
            place.running.discard(number)

    def _end_waiting(self, number: int) -> None:
        waiting = self._waiting.remove(number)
        if waiting is not None:
            seconds = asyncio.get_running_loop().time() - waiting.since
            ended = Ended(number=number, end=End.LATE, waited_seconds=seconds)
            self._requests[number].tell(ended)

    def _call_off(self, number: int) -> None:
        request = self._requests.pop(number)
        self._waiting.remove(number)
        if request.place is not None and number in request.place.running:
            # Its slot is taken until the engine has said that it is not.
            request.place.seat.send([Cancel(number)])

    async def _open_seat(self) -> Seat:
        seat = self._make_seat()
        try:
            self._load_seconds = await seat.open()
        except BaseException:
            await seat.close()
            raise
        return seat

    async def _keep(self, seat: Seat | None) -> None:
        """Keep one seat taken, for as long as the host is open."""
        while True:
            try:
                seat = seat or await self._open_seat()
                await self._sit(seat)
            except (InferenceError, OSError):
                # Its models were there when the host was opened, and so was room for a process.
                # They may come back.
                self._lost += 1
            seat = None
            await asyncio.sleep(self._settings.restart_seconds)

    async def _sit(self, seat: Seat) -> None:
        place = Place(seat)
        self._places.append(place)
        try:
            self._hand_out()
            await seat.serve(self._hear)
            self._lost += 1
        finally:
            self._places.remove(place)
            for number in place.running:
                if (request := self._requests.get(number)) is not None:
                    request.place = None
                    request.tell(LostError("the process that was at this request is gone"))
            await seat.close()

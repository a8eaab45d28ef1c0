"""Where an engine sits: in a child process, or in a thread of this one.

Both take orders at any time and tell, on the event loop, what has come of them, until they are
closed or gone. What was asked of a seat that is gone is lost; another seat knows nothing of it.
"""

import asyncio
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from hive_inference.errors import LostError, WeightsError
from hive_inference.host.wire import (
    Cancel,
    Frames,
    Order,
    Submit,
    frame,
    read_news,
    write_order,
)
from hive_inference.messages import ENDS, News, Piece
from hive_inference.settings import EngineSettings

if TYPE_CHECKING:
    from hive_inference.engine import Engine

__all__ = ["ChildSeat", "Seat", "ThreadSeat"]

_ONE_THREAD: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
_READ_BYTES: Final = 256 * 1024

_TELL_SECONDS: Final = 0.05
"""Between two news from a thread: whoever hears each token at once holds up the next one."""

Hear = Callable[[Sequence[News]], None]


class Seat(Protocol):
    """A place for one engine."""

    async def open(self) -> float:
        """Load the models; return how many seconds that took.

        Raises:
            WeightsError: one of them cannot be loaded.
            LostError: the engine was gone before it had.
        """
        ...

    def send(self, orders: Sequence[Order]) -> None:
        """Hand over orders; they are lost if the seat is gone."""
        ...

    async def serve(self, hear: Hear) -> None:
        """Tell of all news, until the engine is gone or the seat is closed."""
        ...

    async def close(self) -> None:
        """End the engine, whatever it is doing, and return once nothing of it is left."""
        ...


class ChildSeat:
    """An engine in a process of its own."""

    def __init__(self, folders: Mapping[str, Path], settings: EngineSettings, *, nice: int) -> None:
        self._setup = {
            "models": {name: str(folder) for name, folder in folders.items()},
            "settings": asdict(settings) | {"cache": str(settings.cache)},
            "nice": nice,
        }
        self._frames = Frames()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        """Return the child's process, None before it is started."""
        return None if self._process is None else self._process.pid

    async def open(self) -> float:
        """Start the child and have it load the models; return how many seconds they took.

        Raises:
            WeightsError: one of them cannot be loaded.
            LostError: the child was gone before it had.
            OSError: this machine cannot start a process now.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "hive_inference.host.child"),
                    *(str(theirs.fileno()), str(os.getpid())),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=os.environ | _ONE_THREAD,
                )
            except BaseException:
                ours.close()
                raise
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self._writer.write(frame([self._setup]))
        items = await self._receive()
        if not items:
            raise LostError("a child process was gone before it had loaded its models")
        if items[0]["kind"] == "failed":
            raise WeightsError(items[0]["error"])
        return items[0]["seconds"]

    def send(self, orders: Sequence[Order]) -> None:
        """Hand over orders; they are lost if the child is gone."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frame([write_order(order) for order in orders]))

    async def serve(self, hear: Hear) -> None:
        """Tell of all news, until the child is gone."""
        while items := await self._receive():
            hear([read_news(said) for said in items])

    async def close(self) -> None:
        """Kill the child, and return once it is gone."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _receive(self) -> list[Any]:
        """Return what comes next; empty once nothing will."""
        if self._reader is None:
            return []
        with suppress(ConnectionError):
            while data := await self._reader.read(_READ_BYTES):
                if items := [item for items in self._frames.push(data) for item in items]:
                    return items
        return []


class ThreadSeat:
    """An engine in a thread: for where child processes cannot be, or are not worth it.

    BLAS has as many threads here as this process has given it; a seed's text is promised with one.
    """

    def __init__(self, folders: Mapping[str, Path], settings: EngineSettings) -> None:
        self._folders = folders
        self._settings = settings
        self._orders: queue.SimpleQueue[Sequence[Order] | None] = queue.SimpleQueue()
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._gone = asyncio.Event()

    async def open(self) -> float:
        """Load the models, in another thread; return how many seconds that took.

        Raises:
            WeightsError: one of them cannot be loaded.
        """
        from hive_inference.engine import load_engine  # noqa: PLC0415 - numpy, where it is needed

        loop = asyncio.get_running_loop()
        started = loop.time()
        self._engine = await asyncio.to_thread(load_engine, self._folders, self._settings)
        return loop.time() - started

    def send(self, orders: Sequence[Order]) -> None:
        """Hand over orders."""
        self._orders.put(orders)

    async def serve(self, hear: Hear) -> None:
        """Tell of all news, until the seat is closed or its engine has failed."""
        loop = asyncio.get_running_loop()

        def tell(news: Sequence[News]) -> None:
            with suppress(RuntimeError):  # the loop has ended without closing us
                loop.call_soon_threadsafe(hear, news)

        def run() -> None:
            try:
                self._run(tell)
            finally:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._gone.set)

        self._thread = threading.Thread(target=run, name="inference", daemon=True)
        self._thread.start()
        await self._gone.wait()

    async def close(self) -> None:
        """Have the thread end after its step, and return once it has."""
        self._orders.put(None)
        if self._thread is not None:
            await self._gone.wait()
            self._thread.join()

    def _run(self, tell: Hear) -> None:
        engine = self._engine
        news: list[News] = []
        begun: set[int] = set()
        told_at = 0.0
        while engine is not None:
            orders: Sequence[Order] | None = ()
            if engine.is_idle or not self._orders.empty():
                orders = self._orders.get()
            if orders is None:
                return
            for order in orders:
                match order:
                    case Submit(number, ask):
                        engine.submit(number, ask)
                    case Cancel(number):
                        engine.cancel(number)
            fresh = engine.step()
            news += fresh
            # A beginning is told at once, and so is an end: somebody waits for the place.
            firsts = {item.number for item in fresh} - begun
            ends = {item.number for item in fresh if isinstance(item, ENDS)}
            begun = (begun | firsts) - ends
            now = time.monotonic()
            is_urgent = firsts or ends or engine.is_idle
            if news and (is_urgent or now - told_at >= _TELL_SECONDS):
                tell(_merged(news))
                news, told_at = [], now


def _merged(news: Iterable[News]) -> list[News]:
    """Return the news with one piece of each text, which comes before its end.

    To hear of each token would take the loop 14 microseconds (AVX2, November 2026).
    """
    pieces: dict[int, list[Piece]] = {}
    others: list[News] = []
    for item in news:
        if isinstance(item, Piece):
            pieces.setdefault(item.number, []).append(item)
        else:
            others.append(item)
    whole = [replace(of[-1], text="".join(piece.text for piece in of)) for of in pieces.values()]
    return [*whole, *others]

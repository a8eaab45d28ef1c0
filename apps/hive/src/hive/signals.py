"""SIGTERM and SIGINT for programs that count them: each that is delivered is heard once.

Not by the loop's own `add_signal_handler`: uvloop hears of a signal on two ways, by its pipe and by
its handler, and takes a second signal that arrives between the two for a second and a third.
"""

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["heard"]

ENDING: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def heard(on_signal: Callable[[], None]) -> Generator[None]:
    """Call `on_signal` in the running loop for each SIGTERM and SIGINT, until the context ends."""
    loop = asyncio.get_running_loop()

    def pass_on(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(on_signal)

    before = {number: signal.signal(number, pass_on) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

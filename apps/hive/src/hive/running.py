"""Coroutines of commands, run to their end or to a Ctrl-C, none of which is lost."""

import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

__all__ = ["run_main"]

ResultT = TypeVar("ResultT")


def run_main(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return what `main` returns. The first Ctrl-C cancels it, and a second ends it where it is.

    `asyncio.run` cancels it from whatever Python does at that moment. While its runner begins, it
    forgets that and raises a CancelledError; and where a step then comes to an
    `asyncio.timeout(0)`, as redis-py's does on each new connection, Python 3.11 takes it for the
    timeout's own. Here the loop hears of it between two steps, as of everything else.

    Raises:
        KeyboardInterrupt: there was a Ctrl-C, and it ended `main`.
    """
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    is_interrupted = False

    def interrupt() -> None:
        nonlocal is_interrupted
        is_interrupted = True
        loop.remove_signal_handler(signal.SIGINT)
        task.cancel()

    with closing(main), _held_back() as let_come, asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        # Whoever began this process may have said that Ctrl-C is none of its business.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            loop.add_signal_handler(signal.SIGINT, interrupt)
        let_come()
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if is_interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def _held_back() -> Generator[Callable[[], None]]:
    """Keep Ctrl-C waiting until what is given is called: nothing may be left half begun by it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def let_come() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield let_come
    finally:
        let_come()

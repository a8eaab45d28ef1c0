"""Coroutines of commands, run to their end or to a Ctrl-C, none of which is lost."""

import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

__all__ = ["ended_by_one", "run_main"]

ResultT = TypeVar("ResultT")


def run_main(
    main: Coroutine[Any, Any, ResultT],
    *,
    new_loop: "Callable[[], asyncio.AbstractEventLoop] | None" = None,
) -> ResultT:
    """Return what `main` returns. The first Ctrl-C cancels it, and a second ends it where it is.

    `asyncio.run` cancels `main` in the middle of whatever step it is in. An `asyncio.timeout(0)`
    that is entered later in that step, as redis-py does on each new connection, takes the
    cancellation for its own (Python 3.11); and a Ctrl-C while the runner sets itself up comes out
    as a CancelledError. Here `main` is cancelled between two steps. To be called on the main
    thread, where no loop runs.

    Args:
        main: the coroutine.
        new_loop: what makes the loop that it runs in; None for asyncio's own.

    Raises:
        KeyboardInterrupt: there was a Ctrl-C, and `main` has not answered it itself.
    """
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    presses = 0
    was_cancelled = False

    def press(_number: int, _frame: object) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(cancel)

    def cancel() -> None:
        nonlocal was_cancelled
        was_cancelled = task.cancel()

    with _held_back() as let_come, asyncio.Runner(loop_factory=new_loop) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        # Whoever began this process may have said that Ctrl-C is none of its business.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, press)
        let_come()
        try:
            result = loop.run_until_complete(task)
        except asyncio.CancelledError:
            if was_cancelled:
                raise KeyboardInterrupt from None
            raise
        finally:
            if signal.getsignal(signal.SIGINT) is press:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if presses and not was_cancelled:
            # It came in the last step.
            raise KeyboardInterrupt
        return result


@contextmanager
def ended_by_one() -> Generator[None]:
    """Have the first Ctrl-C end what blocks in here, whether or not a coroutine blocks.

    For questions to a person. To be called on the main thread.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _held_back() -> Generator[Callable[[], None]]:
    """Keep Ctrl-C waiting until what is given is called: nothing may be left half begun by it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def let_come() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield let_come
    finally:
        let_come()

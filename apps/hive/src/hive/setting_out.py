"""Ctrl-C while modules are read: it ends the process then and there.

What Python makes of it, a `KeyboardInterrupt`, may arise in the midst of an import where nothing
can catch it, in the callback of a weak reference; then it would be lost, and a queen or a worker
that was told to stop would go on. Nothing has begun yet that would have to be put right.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["setting_out"]

INTERRUPTED: Final = 130
"""As in `hive.endings`, which takes longer to read."""


@contextmanager
def setting_out() -> Generator[None]:
    """Have Ctrl-C end the process at once; where it is ignored or heard already, change nothing."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)

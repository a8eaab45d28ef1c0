"""Stop a command whose workspace has grown too large: looked at, now and then, while it runs."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Final

from hive_process.alongside import alongside

__all__ = ["Quota", "size_in_words", "size_of"]

LOOK_SECONDS: Final = 2.0
LOOKING_TAKES: Final = 0.05
"""Most of the time that is spent on looking: 10,000 files take some 50 ms."""

UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
BLOCK_BYTES: Final = 512


class Quota:
    """How much a workspace may hold."""

    def __init__(self, place: Path, most_bytes: int) -> None:
        self._place = place
        self._most_bytes = most_bytes
        self.refusal: str | None = None
        """Why the command was stopped; None if it was not."""

    def watched(self, stop: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Call `stop` when there is too much, once, as long as the context is open."""
        return alongside(self._watch(stop))

    async def _watch(self, stop: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            held = await asyncio.to_thread(size_of, self._place)
            if held > self._most_bytes:
                self.refusal = (
                    f"its workspace held {size_in_words(held)},"
                    f" and may hold {size_in_words(self._most_bytes)}"
                )
                stop()
                return
            took = loop.time() - began_at
            await asyncio.sleep(max(LOOK_SECONDS, took / LOOKING_TAKES))


def size_of(place: Path) -> int:
    """Return how many bytes of disk the files below `place` take, each counted once."""
    total, seen, folders = 0, set[tuple[int, int]](), [str(place)]
    while folders:
        # What goes while it is looked at needs not be counted.
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    stat = entry.stat(follow_symlinks=False)
                    if stat.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (stat.st_dev, stat.st_ino) in seen:
                            continue
                        seen.add((stat.st_dev, stat.st_ino))
                    total += stat.st_blocks * BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return total


def size_in_words(size: float) -> str:
    """Return a number of bytes as people say it."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:  # noqa: PLR2004 - a unit has 1024 of the one before
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.1f} {UNITS[unit]}"

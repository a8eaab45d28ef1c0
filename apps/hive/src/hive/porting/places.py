"""Where the lines of an export go and come from: a file, packed if its name says so, or a pipe.

A file is written under another name beside its place, for its owner alone, and renamed when it is
whole and on disk.
"""

import gzip
import os
import secrets
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

from hive.private_files import refuse_what_is_no_file
from hive.standard_input import standard_input
from hive_contracts.errors import ConfigurationError

__all__ = ["STREAM", "lines_from", "open_place"]

STREAM: Final = Path("-")
"""Standard output, or standard input."""

FAST: Final = 1
"""Compression: level 6 takes three times as long, for a seventh less."""


@contextmanager
def open_place(place: Path, *, overwrites: bool) -> Generator[IO[bytes]]:
    """Give what to write to; a file is there when the body has ended well, and else nothing.

    Raises:
        ConfigurationError: it cannot be written, or is there already and is not to be replaced.
    """
    if place == STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if place.exists() and not overwrites:
        raise ConfigurationError(
            f"{place} is there already: choose another name, or say --force to have it replaced"
        )
    try:
        refuse_what_is_no_file(place)
        # What a link names is replaced, and not the link.
        with _draft(Path(os.path.realpath(place))) as file, _packed(file, place, "wb") as target:
            yield target
    except OSError as error:
        raise ConfigurationError(
            f"the export {place} cannot be written: {error.strerror}; nothing of it is kept"
        ) from error


@contextmanager
def lines_from(place: Path) -> Generator[Iterator[bytes]]:
    """Give the lines of a file, or of standard input.

    Raises:
        ConfigurationError: it is not there, or cannot be unpacked.
        UsageError: standard input is closed.
    """
    if place == STREAM:
        yield iter(standard_input().buffer)
        return
    try:
        with place.open("rb") as file, _packed(file, place, "rb") as source:
            yield _lines(source, place)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no file {place}") from None
    except OSError as error:
        raise ConfigurationError(f"{place} cannot be read: {error.strerror or error}") from error


def _lines(source: IO[bytes], place: Path) -> Iterator[bytes]:
    try:
        yield from source
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigurationError(
            f"{place} cannot be unpacked: {error}; nothing was imported"
        ) from error


@contextmanager
def _draft(place: Path) -> Generator[IO[bytes]]:
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - by number
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _packed(file: IO[bytes], place: Path, mode: str) -> Generator[IO[bytes]]:
    match place.suffix:
        case ".gz":
            with gzip.GzipFile(fileobj=file, mode=mode, compresslevel=FAST) as packed:
                yield packed  # pyright: ignore[reportReturnType] - it has all that is used of one
        case ".zst":
            with _zstandard(place).open(file, mode) as packed:
                yield packed
        case _:
            yield file


def _zstandard(place: Path) -> Any:
    try:
        return import_module("compression.zstd")
    except ImportError:
        raise ConfigurationError(
            f"for {place} Python 3.14 or later is needed; name it {place.with_suffix('.gz')}"
        ) from None

"""The file of a backup: a zip with the rows of each table and, last, a manifest.

It is written under another name beside its place, for its owner alone, and renamed when everything
is on disk: a file of its name is a whole backup. Any unzip can look into it; the rows are text as
Postgres' COPY writes it.
"""

import asyncio
import hashlib
import os
import secrets
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from hive_contracts.errors import ConfigurationError
from hive_store.manifest import Manifest, SavedTable, decode_manifest, encode_manifest

__all__ = ["Draft", "SavedRows", "new_backup", "open_backup", "unreadable"]

MANIFEST: Final = "manifest.json"
PIECE_BYTES: Final = 1 << 20
FAST: Final = 1
"""Compression: text of tasks becomes a tenth at any level, and level 1 keeps up with Postgres."""


class Member:
    """One table on its way into the file."""

    def __init__(self, path: Path, target: IO[bytes]) -> None:
        self._path = path
        self._target = target
        self._digest = hashlib.sha256()
        self.bytes = 0

    async def write(self, data: bytes) -> None:
        """Add a piece.

        Raises:
            ConfigurationError: it cannot be written, as on a full disk.
        """
        try:
            await asyncio.to_thread(self._target.write, data)
        except OSError as error:
            # Named here: on the way through the connection it would pass for a lost server.
            raise unwritable(self._path, error) from error
        self._digest.update(data)
        self.bytes += len(data)

    @property
    def sha256(self) -> str:
        """Digest of what was written."""
        return self._digest.hexdigest()


class Draft:
    """A backup that is being written."""

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self._path = path
        self._archive = archive

    @contextmanager
    def table(self, name: str) -> Generator[Member]:
        """Give the place of a table's rows; one at a time."""
        target = self._archive.open(_place(name), "w", force_zip64=True)
        try:
            yield Member(self._path, target)
        except BaseException:
            with suppress(OSError):
                target.close()
            raise
        target.close()

    def seal(self, manifest: Manifest) -> None:
        """Add the manifest: the backup is whole."""
        self._archive.writestr(MANIFEST, encode_manifest(manifest))


@contextmanager
def new_backup(path: Path) -> Generator[Draft]:
    """Give a draft, which becomes the file `path` if the body ends well, and else nothing.

    Raises:
        ConfigurationError: it cannot be written there; nothing of it is left.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "r+b") as file, _written(file) as archive:  # noqa: PTH123 - by number
                yield Draft(path, archive)
            draft.replace(path)
            _sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def _written(file: IO[bytes]) -> Generator[ZipFile]:
    archive = ZipFile(file, "w", ZIP_DEFLATED, compresslevel=FAST)
    try:
        yield archive
    except BaseException:
        # It would write its table of contents, which a full disk refuses once more.
        with suppress(OSError, ValueError):
            archive.close()
        raise
    archive.close()
    file.flush()
    os.fsync(file.fileno())


class SavedRows:
    """A backup that is read."""

    def __init__(self, path: Path, archive: ZipFile, manifest: Manifest) -> None:
        self._path = path
        self._archive = archive
        self.manifest = manifest

    async def of(self, table: SavedTable) -> AsyncGenerator[bytes]:
        """Yield the rows of a table in pieces.

        Raises:
            ConfigurationError: they are not what was saved; what was yielded must not be kept.
        """
        digest = hashlib.sha256()
        try:
            with self._archive.open(_place(table.name)) as source:
                while data := await asyncio.to_thread(source.read, PIECE_BYTES):
                    digest.update(data)
                    yield data
        except (OSError, BadZipFile, KeyError, EOFError, zlib.error) as error:
            raise unreadable(self._path, error) from error
        if digest.hexdigest() != table.sha256:
            raise unreadable(self._path, f"the rows of {table.name} are not those that were saved")


@contextmanager
def open_backup(path: Path) -> Generator[SavedRows]:
    """Give a backup to read from.

    Raises:
        ConfigurationError: it is not there, or cut off, or something else.
    """
    try:
        archive = ZipFile(path)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no file {path}") from None
    except (OSError, BadZipFile) as error:
        raise unreadable(path, error) from error
    with archive:
        try:
            manifest = decode_manifest(archive.read(MANIFEST))
        except (OSError, BadZipFile, KeyError, ValueError, EOFError, zlib.error) as error:
            raise unreadable(path, error) from error
        yield SavedRows(path, archive, manifest)


def unreadable(path: Path, reason: object) -> ConfigurationError:
    """Return the error that says why a file cannot be restored from."""
    words = reason.strerror if isinstance(reason, OSError) else reason
    return ConfigurationError(f"{path} is no whole backup made by `hive backup`: {words}")


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """Return the error that says why a backup cannot be written."""
    return ConfigurationError(
        f"the backup {path} cannot be written: {error.strerror}; nothing of it is kept"
    )


def _place(table: str) -> str:
    return f"tables/{table}.copy"


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

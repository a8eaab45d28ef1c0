"""Keys by id, each a file of its own that nobody else may read.

    openssl rand -base64 32 > payroll-2026.key && chmod 400 payroll-2026.key

A file is read when its key is first needed, and then remembered. One key serves for signing and
for encrypting: what is used is derived from it, so that neither weakens the other.
"""

import base64
import binascii
import hmac
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["Key", "KeyRing"]

ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
LEAST_BYTES: Final = 32
MOST_FILE_BYTES: Final = 4096
SEEN_BY_OTHERS: Final = 0o077
NO_KEY: Final = "is no key of 32 bytes in Base64: make one with openssl rand -base64 32"


@dataclass(frozen=True, slots=True)
class Key:
    """One key."""

    id: str
    signing: bytes = field(repr=False)
    """32 bytes for HMAC-SHA256."""

    encryption: bytes = field(repr=False)
    """32 bytes for AES-256."""


class KeyRing:
    """The keys of one directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, Key] = {}

    def has(self, key_id: str) -> bool:
        """Return whether there is a file for the key; one that cannot be used counts."""
        return ID.fullmatch(key_id) is not None and self._path_of(key_id).exists()

    def key(self, key_id: str) -> Key:
        """Return a key.

        Raises:
            ConfigurationError: there is none of that id, others may read it, or it is no key.
        """
        if key_id not in self._keys:
            if ID.fullmatch(key_id) is None:
                raise ConfigurationError(
                    f"the id of a key is 1 to 64 letters, digits, dots, - and _, not {key_id!r}"
                )
            self._keys[key_id] = _derived(key_id, _read(self._path_of(key_id)))
        return self._keys[key_id]

    def _path_of(self, key_id: str) -> Path:
        return self._folder / f"{key_id}.key"


def _derived(key_id: str, secret: bytes) -> Key:
    return Key(
        key_id,
        signing=hmac.digest(secret, b"hive: sign payloads", "sha256"),
        encryption=hmac.digest(secret, b"hive: encrypt payloads", "sha256"),
    )


def _read(path: Path) -> bytes:
    """Return the secret in a file; no message quotes any of it."""
    try:
        with path.open("rb") as file:
            _refuse_exposed(path, os.fstat(file.fileno()))
            text = file.read(MOST_FILE_BYTES)
        secret = base64.b64decode(text.strip(), validate=True)
    except OSError as error:
        raise ConfigurationError(f"the key {path} cannot be read: {error.strerror}") from error
    except binascii.Error:
        raise ConfigurationError(f"{path} {NO_KEY}") from None
    if len(secret) < LEAST_BYTES:
        raise ConfigurationError(f"{path} {NO_KEY}")
    return secret


def _refuse_exposed(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"the key {path} is no file")
    if status.st_mode & SEEN_BY_OTHERS:
        raise ConfigurationError(f"others may read the key {path}: chmod 400 {path}")

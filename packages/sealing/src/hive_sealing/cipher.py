"""AES-256-GCM, from the library `cryptography`, which is installed with an extra and loaded late.

Each message has a random nonce of 96 bits, so one key is good for some four billion of them.
"""

import os
from typing import TYPE_CHECKING, Final

from hive_contracts.errors import BrokenSealError, ConfigurationError
from hive_sealing.keys import Key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["decrypt", "encrypt"]

NONCE_BYTES: Final = 12
EXTRA: Final = "hive-orchestrator[encryption]"


def encrypt(key: Key, message: bytes, *, context: bytes) -> tuple[bytes, bytes]:
    """Return a new nonce, and the message encrypted with it.

    Args:
        key: whose.
        message: what to encrypt.
        context: where it belongs; it decrypts nowhere else. It is not part of what comes back.

    Raises:
        ConfigurationError: the library is not installed.
    """
    nonce = os.urandom(NONCE_BYTES)
    return nonce, _cipher(key).encrypt(nonce, message, context)


def decrypt(key: Key, nonce: bytes, data: bytes, *, context: bytes) -> bytes:
    """Return the message that was encrypted for `context`.

    Raises:
        BrokenSealError: it was altered, or belongs elsewhere, or the key is another one.
        ConfigurationError: the library is not installed.
    """
    cipher = _cipher(key)
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415

    try:
        return cipher.decrypt(nonce, data, context)
    except (InvalidTag, ValueError):
        raise BrokenSealError(
            f"it does not decrypt with key {key.id}: it was altered, or belongs to another task,"
            " or that key is another one here"
        ) from None


def _cipher(key: Key) -> "AESGCM":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f"encrypted payloads need the library cryptography: install {EXTRA}"
        ) from error
    return AESGCM(key.encryption)

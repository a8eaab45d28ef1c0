"""The two envelopes, as they are stored: recognised, read, and written."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final, cast

from hive_contracts.errors import BrokenSealError

__all__ = ["Encrypted", "Signed", "encrypted_in", "is_envelope", "signed_in"]

SIGNED: Final = "$signed"
ENCRYPTED: Final = "$encrypted"

BEGINNING: Final = '{"$'
"""Of both envelopes in the text of a jsonb, which puts short keys first and $ before letters."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload and its signature."""

    key_id: str
    mac: str
    payload: Any

    @property
    def plain(self) -> dict[str, Any]:
        """As it is stored."""
        return {SIGNED: {"key": self.key_id, "mac": self.mac}, "payload": self.payload}


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What nobody reads without the key."""

    key_id: str
    nonce: bytes
    data: bytes

    @property
    def plain(self) -> dict[str, Any]:
        """As it is stored."""
        nonce, data = (base64.b64encode(part).decode() for part in (self.nonce, self.data))
        return {ENCRYPTED: {"key": self.key_id, "nonce": nonce, "data": data}}


def is_envelope(text: str) -> bool:
    """Return whether a stored payload may be an envelope: a look at its first characters."""
    return text.startswith(BEGINNING)


def signed_in(value: Any) -> Signed | None:
    """Return the signed payload that `value` is; None if it is something else.

    Raises:
        BrokenSealError: it says that it is one, and is not.
    """
    if not isinstance(value, dict) or SIGNED not in value:
        return None
    envelope = cast("dict[str, Any]", value)
    key_id, mac = _texts(envelope, SIGNED, ("key", "mac"), beside={"payload"})
    return Signed(key_id, mac, envelope["payload"])


def encrypted_in(value: Any) -> Encrypted | None:
    """Return what is encrypted in `value`; None if it is something else.

    Raises:
        BrokenSealError: it says that it is encrypted, and is not.
    """
    if not isinstance(value, dict) or ENCRYPTED not in value:
        return None
    key_id, nonce, data = _texts(
        cast("dict[str, Any]", value), ENCRYPTED, ("key", "nonce", "data"), beside=set()
    )
    try:
        return Encrypted(
            key_id, base64.b64decode(nonce, validate=True), base64.b64decode(data, validate=True)
        )
    except (binascii.Error, ValueError):
        raise _malformed(ENCRYPTED) from None


def _texts(
    value: dict[str, Any], mark: str, names: tuple[str, ...], *, beside: set[str]
) -> list[str]:
    seal: object = value[mark]
    if not isinstance(seal, dict) or value.keys() != {mark, *beside}:
        raise _malformed(mark)
    fields = cast("dict[str, object]", seal)
    texts = [field for name in names if isinstance(field := fields.get(name), str)]
    if fields.keys() != set(names) or len(texts) != len(names):
        raise _malformed(mark)
    return texts


def _malformed(mark: str) -> BrokenSealError:
    return BrokenSealError(f"it says {mark}, and is no envelope of Hive")

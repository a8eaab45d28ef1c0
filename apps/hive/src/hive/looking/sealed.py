"""A payload or a result in words: as JSON, with what sealed it if something did."""

from typing import Any

from hive.printing import as_json
from hive_contracts.errors import BrokenSealError
from hive_sealing.envelopes import encrypted_in, signed_in

__all__ = ["sealed_or_plain"]


def sealed_or_plain(value: Any) -> str:
    """Return what a person is shown; of what is encrypted, the key that it takes to read it."""
    try:
        signed = signed_in(value)
        inner = value if signed is None else signed.payload
        encrypted = encrypted_in(inner)
    except BrokenSealError:
        return as_json(value)
    text = as_json(inner) if encrypted is None else f"encrypted with key {encrypted.key_id}"
    return text if signed is None else f"{text} (signed with key {signed.key_id})"

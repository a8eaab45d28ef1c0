"""Payloads that are signed by who submits them, and encrypted for who runs them.

Both are envelopes around the payload, in its own column: who uses neither pays for neither, not
even for a null, and schedules, retries and backups carry them without knowing of them.

    {"$signed": {"key": ID, "mac": ...}, "payload": ...}      anybody reads it, nobody alters it
    {"$encrypted": {"key": ID, "nonce": ..., "data": ...}}    nobody reads it without the key

A payload that is both is encrypted first and signed then: a worker need not open what it refuses.

A name of this package is imported when it is first asked for: every command reads settings, and few
seal anything.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hive_sealing.opening import open_sealer
    from hive_sealing.sealer import KeySealer
    from hive_sealing.settings import SealingSettings, sealing_from_environment

__all__ = ["KeySealer", "SealingSettings", "open_sealer", "sealing_from_environment"]

MODULES: Final = {
    "KeySealer": "sealer",
    "SealingSettings": "settings",
    "open_sealer": "opening",
    "sealing_from_environment": "settings",
}
"""Where each name of the package lives."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)

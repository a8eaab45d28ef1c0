"""Payloads that are signed by who submits them, and encrypted for who runs them.

Both are envelopes around the payload, in its own column: who uses neither pays for neither, not
even for a null, and schedules, retries and backups carry them without knowing of them.

    {"$signed": {"key": ID, "mac": ...}, "payload": ...}      anybody reads it, nobody alters it
    {"$encrypted": {"key": ID, "nonce": ..., "data": ...}}    nobody reads it without the key

A payload that is both is encrypted first and signed then: a worker need not open what it refuses.
"""

from hive_sealing.opening import open_sealer
from hive_sealing.sealer import KeySealer
from hive_sealing.settings import SealingSettings, sealing_from_environment

__all__ = ["KeySealer", "SealingSettings", "open_sealer", "sealing_from_environment"]

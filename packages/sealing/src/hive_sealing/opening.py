"""From settings to a sealer: every key that a setting names is read at once, so that none lacks."""

from typing import TYPE_CHECKING

from hive_sealing.settings import SealingSettings

if TYPE_CHECKING:
    from hive_sealing.sealer import KeySealer

__all__ = ["open_sealer"]


def open_sealer(settings: SealingSettings) -> "KeySealer | None":
    """Return what signs, encrypts and opens as the settings say; None if nobody does.

    Raises:
        ConfigurationError: a key that is named is not there or cannot be used, or the library that
            encrypts is not installed.
    """
    if settings.key_dir is None:
        return None
    from hive_sealing.cipher import encrypt  # noqa: PLC0415 - for those who have keys
    from hive_sealing.keys import KeyRing  # noqa: PLC0415
    from hive_sealing.sealer import KeySealer  # noqa: PLC0415

    ring = KeyRing(settings.key_dir)
    for key_id in settings.accept_signed_by:
        ring.key(key_id)
    encrypt_with = ring.key(settings.encrypt_with) if settings.encrypt_with else None
    if encrypt_with is not None:
        encrypt(encrypt_with, b"", context=b"")
    return KeySealer(
        ring,
        sign_with=ring.key(settings.sign_with) if settings.sign_with else None,
        encrypt_with=encrypt_with,
        accept_signed_by=frozenset(settings.accept_signed_by),
    )

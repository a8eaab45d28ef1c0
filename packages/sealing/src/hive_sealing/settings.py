"""What can be set of signing and encrypting. Keys are files, and never part of a setting."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["SealingSettings", "sealing_from_environment"]

PREFIX: Final = "HIVE_SEALING_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingSettings:
    """How payloads are signed and encrypted, and whose signatures count."""

    key_dir: Path | None = None
    """Directory of the keys, each a file `ID.key` that only its owner may read."""

    sign_with: str | None = None
    """ID of the key that signs what is submitted here; unset for none."""

    encrypt_with: str | None = None
    """ID of the key that encrypts what is submitted here, and its result; unset for none."""

    accept_signed_by: tuple[str, ...] = ()
    """IDs of the keys whose tasks a worker here runs, and no others; empty for any task."""

    def __post_init__(self) -> None:
        """Refuse ids without a place to find their keys."""
        if self.key_dir is not None:
            return
        named = {
            "sign_with": self.sign_with,
            "encrypt_with": self.encrypt_with,
            "accept_signed_by": ",".join(self.accept_signed_by),
        }
        for name, value in named.items():
            if value:
                raise ConfigurationError(
                    f"sealing.{name} is {value}, but no directory of keys is named: set"
                    " sealing.key_dir"
                )


def sealing_from_environment(environment: Mapping[str, str]) -> SealingSettings:
    """Return what `HIVE_SEALING_...` variables say, for programs that read no `hive.toml`."""
    found = {
        name: environment.get(f"{PREFIX}{name.upper()}") or None
        for name in ("key_dir", "sign_with", "encrypt_with", "accept_signed_by")
    }
    ids = (found["accept_signed_by"] or "").split(",")
    return SealingSettings(
        key_dir=Path(found["key_dir"]).expanduser() if found["key_dir"] else None,
        sign_with=found["sign_with"],
        encrypt_with=found["encrypt_with"],
        accept_signed_by=tuple(each.strip() for each in ids if each.strip()),
    )

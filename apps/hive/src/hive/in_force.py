"""The settings that are in force: the value of each, and which source gave it.

Passwords in addresses are not shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hive.settings import Settings, nearest, setting_types
from hive_contracts.addresses import without_password
from hive_contracts.errors import ConfigurationError

__all__ = ["InForce", "find_in_force", "in_force"]

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One setting."""

    key: str
    value: Any
    """As JSON can hold it; None if it is unset."""

    origin: str
    """The flag, the environment variable or the file that gave it, else `default`."""

    @property
    def text(self) -> str:
        """The value as a flag or a variable would give it; nothing if it is unset."""
        match self.value:
            case None:
                return ""
            case bool():
                return str(self.value).lower()
            case list():
                return ",".join(cast("list[str]", self.value))
            case _:
                return str(self.value)


def in_force(settings: Settings) -> list[InForce]:
    """Return every setting, in the order of the documentation."""
    return [
        InForce(
            key=key,
            value=_shown(key, _value(settings, key)),
            origin=settings.given[key].origin if key in settings.given else DEFAULT,
        )
        for key in setting_types()
    ]


def find_in_force(settings: Settings, key: str) -> InForce:
    """Return one setting.

    Raises:
        ConfigurationError: there is none of that name.
    """
    for found in in_force(settings):
        if found.key == key:
            return found
    raise ConfigurationError(f"there is no setting {key!r}{nearest(key, setting_types())}")


def _value(settings: Settings, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def _shown(key: str, value: object) -> object:
    match value:
        case str():
            return without_password(value) if key.endswith(".url") else value
        case Path():
            return str(value)
        case tuple():
            return [str(item) for item in cast("tuple[object, ...]", value)]
        case _:
            return value

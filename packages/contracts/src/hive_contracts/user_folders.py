"""Where a user's files belong, by the XDG base directory specification."""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["cache_folder", "config_folder", "state_folder"]


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return where Hive looks for what a user has set."""
    return _folder(environment, "XDG_CONFIG_HOME", ".config")


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return where Hive keeps its files when nobody says where."""
    return _folder(environment, "XDG_STATE_HOME", ".local/state")


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where Hive keeps what it can make again."""
    return _folder(environment, "XDG_CACHE_HOME", ".cache")


def _folder(environment: Mapping[str, str], variable: str, fallback: str) -> Path:
    named = Path(environment.get(variable, ""))
    # The specification has relative paths ignored.
    base = named if named.is_absolute() else Path(environment.get("HOME", "/")) / fallback
    return base / "hive"

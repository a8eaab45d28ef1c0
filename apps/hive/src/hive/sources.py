"""Where values of settings come from, each source as a plain mapping from key to value.

A key is `section.name`. From the strongest: flags, the environment, the project's `hive.toml` (in
the working directory or the nearest one above it), the user's `hive.toml`. A source that does not
name a key says nothing about it, so no source's default can hide another's value.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from hive_contracts.errors import ConfigurationError
from hive_contracts.user_folders import config_folder

__all__ = [
    "COMMAND_LINE",
    "FILE_NAME",
    "SHORT_NAMES",
    "Given",
    "environment_name",
    "from_environment",
    "from_files",
    "from_flags",
]

COMMAND_LINE: Final = "the command line"

FILE_NAME: Final = "hive.toml"

SHORT_NAMES: Final = {"HIVE_DATA_DIR": "services.data_dir"}
"""Environment variables that people type often, and the keys that they stand for."""

TOLD_TO_COMMANDS: Final = (
    "ANSWER", "ATTEMPT", "BRANCH", "COMMENT", "GUARD", "PARENTS", "PORT", "PORTS", "QUESTION",
    "SLOT", "TASK_FILE", "TASK_ID", "WORKSPACE",
)  # fmt: skip
"""What Hive tells commands in variables; one of them may be `hive`."""

OTHER_NAMES: Final = frozenset(f"HIVE_{name}" for name in ("CONFIG", "READY_FD", *TOLD_TO_COMMANDS))
"""Variables that Hive knows and that are no settings; those of its tests are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that a source gives to a key."""

    key: str
    value: object
    origin: str
    """The source, as a person would name it."""

    is_text: bool
    """Whether the value is text still to be read, rather than typed by its source."""

    folder: Path
    """What a relative path in it is relative to."""


def from_flags(flags: Mapping[str, object]) -> list[Given]:
    """Return the flags that were given; None means that a flag was not."""
    return [
        Given(key=key, value=value, origin=COMMAND_LINE, is_text=True, folder=Path.cwd())
        for key, value in flags.items()
        if value is not None
    ]


def from_environment(
    environment: Mapping[str, str], keys: Iterable[str]
) -> tuple[list[Given], list[str]]:
    """Return the settings in `environment`, and the names of `HIVE_*` variables that are none.

    An empty variable counts as absent, as scripts unset variables that way.
    """
    names = {environment_name(key): key for key in keys} | SHORT_NAMES
    given = [
        Given(key=key, value=value, origin=name, is_text=True, folder=Path.cwd())
        for name, key in reversed(names.items())
        if (value := environment.get(name))
    ]
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith("HIVE_")
        and name not in (names.keys() | OTHER_NAMES)
        and not name.startswith("HIVE_TEST_")
    ]
    return given, unknown


def environment_name(key: str) -> str:
    """Return the environment variable for `key`."""
    return f"HIVE_{key.replace('.', '_').upper()}"


def from_files(environment: Mapping[str, str], config: Path | None) -> list[Given]:
    """Return the settings in the project's file (or in `config` instead) and in the user's.

    Raises:
        ConfigurationError: a file cannot be read, or is not TOML in sections.
    """
    if config is None and (named := environment.get("HIVE_CONFIG")):
        config = Path(named)
    if config is not None and not config.is_file():
        raise ConfigurationError(f"there is no configuration file {config}")
    project = config or _nearest(Path.cwd())
    user = config_folder(environment) / FILE_NAME
    files = [path for path in (project, user) if path is not None and path.is_file()]
    return [given for path in dict.fromkeys(files) for given in _read(path)]


def _nearest(folder: Path) -> Path | None:
    candidates = (place / FILE_NAME for place in (folder, *folder.parents))
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> list[Given]:
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    return [
        Given(key=key, value=value, origin=str(path), is_text=False, folder=path.parent)
        for section, entries in sections.items()
        for key, value in _entries(section, entries)
    ]


def _entries(section: str, entries: object) -> list[tuple[str, object]]:
    if not isinstance(entries, dict):
        # Reported as an unknown key, with the nearest known one, like any other.
        return [(section, entries)]
    table = cast("dict[str, Any]", entries)
    return [(f"{section}.{name}", value) for name, value in table.items()]

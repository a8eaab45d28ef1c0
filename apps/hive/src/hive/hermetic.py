"""Settings of a Hive that is nobody else's: neither the user's nor the project's have a say in it.

Its settings are in a `hive.toml` of its own directory, which may be empty, and variables that would
change a setting of its processes are emptied.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hive.keeper import Program
from hive.settings import Settings, load, setting_types
from hive.sources import FILE_NAME, SHORT_NAMES, environment_name

__all__ = ["hermetic", "hermetic_settings"]


def hermetic_settings(
    data_dir: Path, text: str, *, flags: Mapping[str, object] | None = None
) -> Settings:
    """Write `text` as the settings file of the Hive in `data_dir`; return the settings.

    Args:
        data_dir: a directory that is there.
        text: TOML.
        flags: what is stronger than the file, by key.

    Raises:
        ConfigurationError: as `load` does.
    """
    (data_dir / FILE_NAME).write_text(text, encoding="utf-8")
    return load(
        flags={"services.data_dir": str(data_dir), **(flags or {})},
        environment=_environment(data_dir),
    )


def hermetic(program: Program, data_dir: Path) -> Program:
    """Return the program so that it knows no settings but those of the Hive in `data_dir`."""
    names = {*map(environment_name, setting_types()), *SHORT_NAMES}
    emptied = dict.fromkeys(names & os.environ.keys(), "")
    return replace(program, env={**emptied, **_environment(data_dir), **program.env})


def _environment(data_dir: Path) -> Mapping[str, str]:
    return {"HIVE_CONFIG": str(data_dir / FILE_NAME), "XDG_CONFIG_HOME": str(data_dir)}

"""Every setting of Hive, and how the sources are merged into one `Settings`.

The sources are merged while they are plain mappings, and the sections are built once from the
result. Where each value came from is kept, so that a person can be told.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast, get_type_hints

from hive.private_files import is_seen_by_others
from hive.reading import read
from hive.sections import (
    AuditSettings,
    DatabaseSettings,
    LogSettings,
    RedisSettings,
    RetentionSettings,
    ServicesSettings,
)
from hive.sources import (
    COMMAND_LINE,
    Given,
    environment_name,
    from_environment,
    from_files,
    from_flags,
)
from hive_agents.settings import AgentSettings
from hive_calls.settings import CallSettings
from hive_contracts.addresses import without_password
from hive_contracts.errors import ConfigurationError
from hive_contracts.user_folders import state_folder
from hive_generation.settings import InferenceSettings
from hive_process.payload import CommandSettings
from hive_process.workspaces.spec import WorkspaceSettings
from hive_queen.settings import QueenSettings
from hive_sealing.settings import SealingSettings
from hive_verse.settings import VerseSettings
from hive_worker.settings import WorkerSettings

__all__ = ["SECTIONS", "Settings", "load", "nearest", "setting_types"]

HEARTBEATS_MISSED: Final = 2

EXIT_SECONDS: Final = 5.0
"""For what has no time of its own in a worker's end: closing connections, leaving Python."""

SECTIONS: Mapping[str, type] = {
    "database": DatabaseSettings,
    "redis": RedisSettings,
    "services": ServicesSettings,
    "queen": QueenSettings,
    "worker": WorkerSettings,
    "command": CommandSettings,
    "agents": AgentSettings,
    "calls": CallSettings,
    "inference": InferenceSettings,
    "workspaces": WorkspaceSettings,
    "verse": VerseSettings,
    "retention": RetentionSettings,
    "sealing": SealingSettings,
    "log": LogSettings,
    "audit": AuditSettings,
}
"""Every section, and the class that documents and checks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    services: ServicesSettings
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    queen: QueenSettings = field(default_factory=QueenSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    command: CommandSettings = field(default_factory=CommandSettings)
    agents: AgentSettings = field(default_factory=AgentSettings)
    calls: CallSettings = field(default_factory=CallSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    workspaces: WorkspaceSettings = field(default_factory=WorkspaceSettings)
    verse: VerseSettings = field(default_factory=VerseSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    sealing: SealingSettings = field(default_factory=SealingSettings)
    log: LogSettings = field(default_factory=LogSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)

    given: Mapping[str, Given] = field(default_factory=dict[str, Given], repr=False)
    """By key, what a source said; a key that is not in it has its default."""

    config: Path | None = None
    """The file that was named to be read instead of the project's."""

    warnings: tuple[str, ...] = ()
    """What a person should be told about the sources, as sentences."""

    def __post_init__(self) -> None:
        """Refuse settings of different sections that contradict one another."""
        if self.worker.heartbeat_seconds > self.queen.living.total_seconds():
            raise ConfigurationError(
                f"worker.heartbeat_seconds is {self.worker.heartbeat_seconds:g}, longer than half"
                f" of queen.lease_seconds ({self.queen.lease_seconds:g}): between two heartbeats"
                " the worker would be taken for dead"
            )

    @property
    def silence(self) -> timedelta:
        """A worker that was not heard of for so long may be gone: nobody counts upon it."""
        return timedelta(seconds=HEARTBEATS_MISSED * self.worker.heartbeat_seconds)

    @property
    def worker_stop_seconds(self) -> float:
        """How long a worker may take to leave.

        It lets tasks finish, ends the trees of those that do not, and writes how they ended: for a
        lease time at most, because after that they are not its own any more.
        """
        worker = self.worker
        return worker.grace_seconds + worker.lease_seconds + self.worker_hurry_seconds

    @property
    def worker_hurry_seconds(self) -> float:
        """How long a worker may take that is to leave at once: it lets nothing finish."""
        return max(self.command.grace_seconds, self.calls.grace_seconds) + EXIT_SECONDS

    @property
    def placed_workspaces(self) -> WorkspaceSettings:
        """What is said of workspaces, with the directory that has them."""
        root = self.workspaces.root or self.services.data_dir / "ws"
        return replace(self.workspaces, root=root.absolute())

    @property
    def placed_agents(self) -> AgentSettings:
        """What is said of agents, with the directory that has what is known of their sessions."""
        folder = self.agents.state_dir or self.services.data_dir / "agents"
        return replace(self.agents, state_dir=folder.absolute())

    def for_children(self) -> dict[str, str]:
        """Return what this process was told by flags, as environment for processes it starts."""
        flags = {
            environment_name(given.key): str(given.value)
            for given in self.given.values()
            if given.origin == COMMAND_LINE
        }
        return flags | ({} if self.config is None else {"HIVE_CONFIG": str(self.config)})


def load(
    *,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Read every source and build the settings.

    Args:
        flags: what the command line says, by key; None for what it does not say.
        environment: the environment; this process's if None.
        config: a file to read instead of the project's.

    Raises:
        ConfigurationError: a setting is unknown, malformed, or contradicts another.
    """
    seen = os.environ if environment is None else environment
    types = setting_types()
    exported, unknown = from_environment(seen, types)
    strongest_last = [*reversed(from_files(seen, config)), *exported, *from_flags(flags or {})]
    for given in strongest_last:
        _refuse_unknown(given, types)
    merged = _merged(strongest_last)
    values = {"services.data_dir": state_folder(seen)} | {
        key: read(given, types[key]) for key, given in merged.items()
    }
    warnings = tuple(
        f"{name} is not a setting and is ignored{nearest(name, map(environment_name, types))}"
        for name in unknown
    )
    with_password = [given for given in merged.values() if _has_password(given)]
    warnings += tuple(_seen_by_others(g) for g in with_password if g.origin == COMMAND_LINE)
    files = dict.fromkeys(Path(given.origin) for given in with_password if not given.is_text)
    warnings += tuple(_read_by_others(path) for path in files if is_seen_by_others(path))
    return Settings(**_sections(values), given=merged, config=config, warnings=warnings)


def _merged(strongest_last: Iterable[Given]) -> dict[str, Given]:
    """Return by key what holds; of a table every source adds its own entries."""
    merged: dict[str, Given] = {}
    for given in strongest_last:
        before = merged.get(given.key)
        if before is not None and isinstance(before.value, dict) and isinstance(given.value, dict):
            table = {**cast("dict[str, Any]", before.value), **cast("dict[str, Any]", given.value)}
            merged[given.key] = replace(given, value=table)
        else:
            merged[given.key] = given
    return merged


def setting_types() -> dict[str, Any]:
    """Return every key and the type of its value, in the order of the documentation."""
    return {
        f"{section}.{name}": kind
        for section, declared in SECTIONS.items()
        for name, kind in get_type_hints(declared).items()
        if name in {known.name for known in fields(declared)}
    }


def _sections(values: Mapping[str, object]) -> dict[str, Any]:
    by_section: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, value in values.items():
        section, _, name = key.partition(".")
        by_section[section][name] = value
    return {section: SECTIONS[section](**found) for section, found in by_section.items()}


def _has_password(given: Given) -> bool:
    text = str(given.value)
    return given.key.endswith(".url") and without_password(text) != text


def _seen_by_others(given: Given) -> str:
    return (
        f"the {given.key} on the command line has a password, which everybody on this machine can"
        f" read there: give it in {environment_name(given.key)} or in a file"
    )


def _read_by_others(path: Path) -> str:
    return f"others may read {path}, which holds a password: chmod 600 {path}"


def _refuse_unknown(given: Given, types: Mapping[str, Any]) -> None:
    if given.key not in types:
        hint = nearest(given.key, types)
        raise ConfigurationError(f"there is no setting {given.key!r}, from {given.origin}{hint}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: what `name` may have been meant to be, if anything."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""

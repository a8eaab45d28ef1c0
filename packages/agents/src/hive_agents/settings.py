"""What an operator decides about agents: which there are, and how long they may stand still."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hive_contracts.errors import ConfigurationError

__all__ = ["AgentSettings"]

LONGEST_SECONDS: Final = 10.0 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """How agents are run."""

    profiles: dict[str, Any] = field(default_factory=dict[str, Any])
    """Tables `[agents.profiles.NAME]` in hive.toml, beside claude, codex and gemini."""

    startup_seconds: float = 300.0
    """Most from an agent's start to its first output, unless its task or profile says; 0: any."""

    linger_seconds: float = 15.0
    """Most from an agent's result to its end; what stays is ended, and has succeeded. 0: any."""

    state_dir: Path | None = None
    """Where this machine keeps which session to go on with; unset for `agents` in the data_dir."""

    def __post_init__(self) -> None:
        """Refuse profiles that make no sense, and times that cannot be waited for.

        Raises:
            ConfigurationError: the message names what is wrong.
        """
        for name in ("startup_seconds", "linger_seconds"):
            seconds = getattr(self, name)
            if not 0 <= seconds <= LONGEST_SECONDS:
                raise ConfigurationError(
                    f"agents.{name} must be a number of seconds from 0 up, not {seconds}"
                )
        if self.profiles:
            from hive_agents.profiles import read_profiles  # noqa: PLC0415 - few have any

            read_profiles(self.profiles)

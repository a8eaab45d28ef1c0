"""What a `command` task asks for, and what its executor may be told."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hive_contracts.durations import duration_in
from hive_contracts.errors import ConfigurationError

__all__ = ["CommandPayload", "CommandSettings"]

HIGHEST_CODE: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPayload:
    """The payload of a task of kind `command`."""

    argv: tuple[str, ...]
    """The program and its arguments; with `shell`, one line for `/bin/sh -c`."""

    shell: bool = False
    cwd: str | None = None
    """The directory to start in; None for the worker's own."""

    env: dict[str, str] = field(default_factory=dict[str, str])
    """Variables beside those that the worker lets through."""

    stdin: str | None = None
    """What the program reads; None for nothing."""

    parents: bool = False
    """Whether HIVE_PARENTS is to name a file with the results of the tasks that it comes after."""

    ok_codes: tuple[int, ...] = (0,)
    """Exit codes that mean success."""

    snooze_codes: dict[str, str] = field(default_factory=dict[str, str])
    """By exit code how long to wait for another run, as in {"75": "10m"}; no attempt counts."""

    park_codes: tuple[int, ...] = ()
    """Exit codes that set the task aside until somebody lets it go on; no attempt counts."""

    def __post_init__(self) -> None:
        """Refuse what no program can be started with."""
        if not self.argv or not self.argv[0]:
            raise ValueError("argv names no program")
        if self.shell and len(self.argv) != 1:
            raise ValueError(f"with shell, argv is one command line, not {len(self.argv)} words")
        for name in self.env:
            if not name or "=" in name:
                raise ValueError(f"env has a name that no variable can have: {name!r}")
        texts = (*self.argv, self.cwd or "", *self.env, *self.env.values())
        if any("\0" in text for text in texts):
            raise ValueError("argv, cwd and env can hold no NUL")
        if not self.ok_codes or not all(0 <= code <= HIGHEST_CODE for code in self.ok_codes):
            raise ValueError(f"ok_codes are exit codes from 0 to 255, not {list(self.ok_codes)}")
        self._check_asking()

    def snooze_after(self, code: int) -> timedelta | None:
        """Return after how long an exit code asks for another run; None if it does not."""
        length = self.snooze_codes.get(str(code))
        return None if length is None else duration_in(length)

    def _check_asking(self) -> None:
        for name, length in self.snooze_codes.items():
            if not name.isdecimal() or not 1 <= int(name) <= HIGHEST_CODE or name[0] == "0":
                raise ValueError(f"snooze_codes has {name!r}, which is no exit code from 1 to 255")
            try:
                duration_in(length)
            except (ValueError, OverflowError) as error:
                raise ValueError(f"snooze_codes: {error}") from None
        for code in self.park_codes:
            if not 1 <= code <= HIGHEST_CODE:
                raise ValueError(f"park_codes has {code}, which is no exit code from 1 to 255")
        meanings = [*self.ok_codes, *map(int, self.snooze_codes), *self.park_codes]
        if len(set(meanings)) < len(meanings):
            raise ValueError("ok_codes, snooze_codes and park_codes name the same exit code twice")

    @property
    def words(self) -> tuple[str, ...]:
        """The program to start, and its arguments."""
        return ("/bin/sh", "-c", self.argv[0]) if self.shell else self.argv


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """Settings of the executor `command`."""

    env_allowed: tuple[str, ...] = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
    )
    """Variables of the worker's own environment that its commands see: no secrets by accident."""

    grace_seconds: float = 5.0
    """From SIGTERM to SIGKILL, when a command is stopped."""

    def __post_init__(self) -> None:
        """Refuse a grace that cannot be waited for.

        Raises:
            ConfigurationError: `grace_seconds` is negative, endless or no number.
        """
        if not 0 <= self.grace_seconds < float("inf"):
            raise ConfigurationError(
                f"grace_seconds must be a number of seconds from 0 up, not {self.grace_seconds}"
            )

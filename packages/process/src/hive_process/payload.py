"""What a `command` task asks for, and what its executor may be told."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePath
from typing import Final

from hive_contracts.durations import duration_in
from hive_contracts.errors import ConfigurationError
from hive_process.limits import Limits, read_bytes, read_limits, read_umask
from hive_process.secrets import SECRET_NAMES, prefix_of
from hive_process.workspaces.spec import WorkspaceSpec

__all__ = ["CommandPayload", "CommandSettings"]

HIGHEST_CODE: Final = 255
LONGEST_SECONDS: Final = 10.0 * 365 * 24 * 3600
"""Ten years: more than anybody means, and no more than a timer takes."""


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

    stdin_open: bool = False
    """Whether more may be sent to be read while it runs."""

    pty: bool = False
    """Whether it has a terminal, on which people can watch it and type."""

    parents: bool = False
    """Whether HIVE_PARENTS is to name a file with the results of the tasks that it comes after."""

    ok_codes: tuple[int, ...] = (0,)
    """Exit codes that mean success."""

    snooze_codes: dict[str, str] = field(default_factory=dict[str, str])
    """By exit code how long to wait for another run, as in {"75": "10m"}; no attempt counts."""

    park_codes: tuple[int, ...] = ()
    """Exit codes that set the task aside until somebody lets it go on; no attempt counts."""

    quota_codes: tuple[int, ...] = ()
    """Exit codes that say that a quota is used up: the task's breaker opens; no attempt counts."""

    ask_codes: tuple[int, ...] = ()
    """Exit codes that ask a person what the last line of its output says; no attempt counts."""

    startup_seconds: float | None = None
    """Most from its start to its first sign of life; 0 for no limit, None for the worker's."""

    linger_seconds: float | None = None
    """Most from its result to its end; 0 for no limit, None for the worker's."""

    ready_text: str | None = None
    """What it prints as its first sign of life; None if any output is one."""

    limits: dict[str, int | str] = field(default_factory=dict[str, int | str])
    """What it may use, in the words of `limits`, like {"memory": "2G", "tree_processes": 64}."""

    secret_env: tuple[str, ...] = ()
    """Variables in `env` whose values are hidden in its output, however they are called."""

    output_file: str | None = None
    """A file for the whole of its output, from its directory, or a URL; None for none."""

    files_changed: bool = False
    """Whether its result is to say which files of its directory it has changed."""

    output_cap: int | str | None = None
    """How much of its output is kept, half of it from its end, as in 64K; None for the worker's."""

    umask: str | None = None
    """Which permissions files that it makes do not get, as in 022; None for the worker's."""

    result_text: str | None = None
    """What it prints with its result. Without any, it is done when nobody has its output open."""

    workspace: WorkspaceSpec | None = None
    """The directory that it is given to work in, from which `cwd` then is a path; None for none."""

    def __post_init__(self) -> None:
        """Refuse what no program can be started with."""
        if not self.argv or not self.argv[0]:
            raise ValueError("argv names no program")
        if self.shell and len(self.argv) != 1:
            raise ValueError(f"with shell, argv is one command line, not {len(self.argv)} words")
        for name in self.env:
            if not name or "=" in name:
                raise ValueError(f"env has a name that no variable can have: {name!r}")
        texts = (*self.argv, self.cwd or "", *self.env, *self.env.values(), self.output_file or "")
        if any("\0" in text for text in texts):
            raise ValueError("argv, cwd, env and output_file can hold no NUL")
        if not self.ok_codes or not all(0 <= code <= HIGHEST_CODE for code in self.ok_codes):
            raise ValueError(f"ok_codes are exit codes from 0 to 255, not {list(self.ok_codes)}")
        if self.workspace is not None and self.cwd is not None:
            cwd = PurePath(self.cwd)
            if cwd.is_absolute() or ".." in cwd.parts:
                raise ValueError(f"with a workspace, cwd is a path in it, not {self.cwd!r}")
        self._check_asking()
        self._check_terms()

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
        for field_name in ("park_codes", "quota_codes", "ask_codes"):
            for code in getattr(self, field_name):
                if not 1 <= code <= HIGHEST_CODE:
                    raise ValueError(
                        f"{field_name} has {code}, which is no exit code from 1 to 255"
                    )
        asking = [
            *map(int, self.snooze_codes),
            *self.park_codes,
            *self.quota_codes,
            *self.ask_codes,
        ]
        if len({*self.ok_codes, *asking}) < len(self.ok_codes) + len(asking):
            raise ValueError(
                "ok_codes, snooze_codes, park_codes, quota_codes and ask_codes name the same exit"
                " code twice"
            )

    def _check_terms(self) -> None:
        for name in ("startup_seconds", "linger_seconds"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds <= LONGEST_SECONDS:
                raise ValueError(f"{name} is a number of seconds from 0 up, not {seconds}")
        if self.ready_text == "" or self.result_text == "":
            raise ValueError("ready_text and result_text must be something to look for")
        for name in self.secret_env:
            if name not in self.env:
                raise ValueError(f"secret_env names {name!r}, which env has not")
        if self.output_file == "":
            raise ValueError("output_file names no file")
        read_limits(self.limits)
        if self.output_cap is not None and not self.output_cap_bytes:
            raise ValueError(f"output_cap is a size from 1 up, as in 64K; not {self.output_cap!r}")
        if self.umask is not None:
            read_umask(self.umask)

    @property
    def output_cap_bytes(self) -> int | None:
        """How much of its output is kept; None if it does not say, or what it says is no size."""
        return None if self.output_cap is None else read_bytes(self.output_cap)

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

    startup_seconds: float = 0.0
    """Most from a command's start to its first output, unless its task says otherwise; 0: any."""

    linger_seconds: float = 0.0
    """Most from a command's result to its end, unless its task says otherwise; 0: any."""

    limits: tuple[str, ...] = ()
    """Most that any process of a command may use, like `memory=4G`, `files=1024`, `nice=5`."""

    control_group: str | None = None
    """A control group (version 2), in which each command then gets one of its own; unset: none."""

    umask: str | None = None
    """Which permissions files of commands do not get, like 022; unset for the worker's own."""

    secret_names: tuple[str, ...] = SECRET_NAMES
    """Variables of commands whose values are hidden in output; `*` stands for anything."""

    secret_patterns: tuple[str, ...] = ()
    """Beginnings of further secrets to hide in output, each with a `*` behind it, like `ghp_*`."""

    oom_score_adj: int = 500
    """How much sooner than Hive commands are killed when memory is short, from 0 to 1000."""

    def __post_init__(self) -> None:
        """Refuse times that cannot be waited for.

        Raises:
            ConfigurationError: one is negative, endless or no number.
        """
        for name in ("grace_seconds", "startup_seconds", "linger_seconds"):
            seconds = getattr(self, name)
            if not 0 <= seconds <= LONGEST_SECONDS:
                raise ConfigurationError(
                    f"command.{name} must be a number of seconds from 0 up, not {seconds}"
                )
        if not 0 <= self.oom_score_adj <= 1000:  # noqa: PLR2004 - the kernel's own bound
            raise ConfigurationError(
                f"command.oom_score_adj is from 0 to 1000, not {self.oom_score_adj}"
            )
        try:
            self.most()
            if self.umask is not None:
                read_umask(self.umask)
        except ValueError as error:
            raise ConfigurationError(f"command.{error}") from None
        try:
            for pattern in self.secret_patterns:
                prefix_of(pattern)
        except ValueError as error:
            raise ConfigurationError(f"command.secret_patterns: {error}") from None

    def most(self) -> Limits:
        """Return what `limits` says.

        Raises:
            ValueError: it says nothing that can be understood.
        """
        said: dict[str, int | str] = {}
        for text in self.limits:
            name, _, value = text.partition("=")
            said[name] = int(value) if re.fullmatch("-?[0-9]{1,18}", value) else value
        return read_limits(said)

"""What one command may use: what its task says, bounded by what the worker's settings say.

    memory        bytes of address space of each process (RLIMIT_AS): `268435456` or `"256M"`
    cpu_seconds   processor time of each process (RLIMIT_CPU): SIGXCPU, a second later SIGKILL
    files         descriptors that each process may have open (RLIMIT_NOFILE)
    processes     processes of the worker's user, whosever they are (RLIMIT_NPROC)
    nice          how far it stands back for others when processors are short, 0 to 19

They are limits of processes, as the kernel knows them, and not of the tree together: a tree of ten
may use ten times the memory.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hive_contracts.spawning import Fences

__all__ = ["LIMITS", "Limits", "read_bytes", "read_limits", "read_umask"]

LIMITS: Final = ("cpu_seconds", "files", "memory", "nice", "processes")

LEAST: Final = {"memory": 16 << 20, "cpu_seconds": 1, "files": 16, "processes": 1, "nice": 0}
"""With less than this hardly a program would start, and the reason would be hard to find."""

MOST: Final = dict.fromkeys(LIMITS, 1 << 62) | {"nice": 19, "cpu_seconds": 1 << 31}

UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a command; None is none."""

    memory: int | None = None
    cpu_seconds: int | None = None
    files: int | None = None
    processes: int | None = None
    nice: int | None = None

    def within(self, most: "Limits") -> "Limits":
        """Return these limits, none of which is laxer than `most` has it."""
        lower = ("memory", "cpu_seconds", "files", "processes")
        tighter = {name: _least(getattr(self, name), getattr(most, name)) for name in lower}
        return replace(self, **tighter, nice=max(self.nice or 0, most.nice or 0) or None)

    def refusal(self) -> str | None:
        """Return why they cannot be kept here, or None if they can."""
        if self.processes is not None and os.geteuid() == 0:
            return (
                f"the limit of {self.processes} processes would not hold: the worker runs as root,"
                " whose processes Linux does not count; run it as another user, or leave out"
                " limits.processes"
            )
        return None

    def fences(self, *, umask: int | None, oom_score_adj: int) -> Fences:
        """Return them as the spawner takes them."""
        return Fences(
            memory_bytes=self.memory,
            cpu_seconds=self.cpu_seconds,
            open_files=self.files,
            processes=self.processes,
            nice=self.nice,
            umask=umask,
            oom_score_adj=oom_score_adj,
        )


def read_limits(said: Mapping[str, int | str]) -> Limits:
    """Return the limits that a payload or a setting says.

    Raises:
        ValueError: there is no such limit, or its value is none; the message says both.
    """
    for name in said:
        if name not in LIMITS:
            raise ValueError(f"limits has no {name!r}; limits: {', '.join(LIMITS)}")
    return Limits(**{name: _read(name, value) for name, value in said.items()})


def read_umask(text: str) -> int:
    """Return the mask in `text`, which is octal, as in 022.

    Raises:
        ValueError: it is no mask.
    """
    if not re.fullmatch("0?[0-7]{1,3}", text):
        raise ValueError(f"umask is an octal number like 022, not {text!r}")
    return int(text, 8)


def _read(name: str, value: int | str) -> int:
    number = read_bytes(value) if name == "memory" else value
    if not isinstance(number, int) or not LEAST[name] <= number <= MOST[name]:
        unit = "bytes, as in 536870912 or 512M" if name == "memory" else "a whole number"
        raise ValueError(
            f"limits.{name} is {value!r}; it must be {unit}, from {LEAST[name]} to {MOST[name]}"
        )
    return number


def read_bytes(value: int | str) -> int | None:
    """Return a number of bytes, as in 536870912 or 512M; None if it is none."""
    if isinstance(value, int):
        return value
    found = re.fullmatch("([0-9]{1,18})([KMGT]?)(i?B)?", value.strip(), re.IGNORECASE)
    return None if found is None else int(found[1]) << UNITS[found[2].upper()]


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)

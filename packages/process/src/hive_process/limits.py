"""What one command may use: what its task says, bounded by what the worker's settings say.

    memory            bytes of address space of each process (RLIMIT_AS): `268435456` or `"256M"`
    cpu_seconds       processor time of each process (RLIMIT_CPU): SIGXCPU, a second later SIGKILL
    files             descriptors that each process may have open (RLIMIT_NOFILE)
    processes         processes of the worker's user, whosever they are (RLIMIT_NPROC)
    nice              how far it stands back for others when processors are short, 0 to 19
    tree_memory       bytes of memory of the whole tree (memory.max)
    tree_processes    processes and threads of the whole tree (pids.max)
    tree_cpu_percent  processor time of the whole tree, 100 for one processor (cpu.max)

The first five are limits of processes, and not of the tree together: a tree of ten may use ten
times the memory. The others need control groups (`control_groups`).
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hive_contracts.spawning import Fences
from hive_process.control_groups import CONTROLLERS

__all__ = ["LIMITS", "Limits", "read_bytes", "read_limits", "read_umask"]

LIMITS: Final = (
    "cpu_seconds",
    "files",
    "memory",
    "nice",
    "processes",
    "tree_cpu_percent",
    "tree_memory",
    "tree_processes",
)

LEAST: Final = {
    "memory": 16 << 20,
    "cpu_seconds": 1,
    "files": 16,
    "processes": 1,
    "nice": 0,
    "tree_memory": 16 << 20,
    "tree_processes": 1,
    "tree_cpu_percent": 1,
}
"""With less than this hardly a program would start, and the reason would be hard to find."""

MOST: Final = dict.fromkeys(LIMITS, 1 << 62) | {
    "nice": 19,
    "cpu_seconds": 1 << 31,
    "tree_processes": 1 << 22,
    "tree_cpu_percent": 1 << 20,
}
"""No more than the kernel takes."""

SIZES: Final = ("memory", "tree_memory")

UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a command; None is none."""

    memory: int | None = None
    cpu_seconds: int | None = None
    files: int | None = None
    processes: int | None = None
    nice: int | None = None
    tree_memory: int | None = None
    tree_processes: int | None = None
    tree_cpu_percent: int | None = None

    def within(self, most: "Limits") -> "Limits":
        """Return these limits, none of which is laxer than `most` has it."""
        lower = (name for name in LIMITS if name != "nice")
        tighter = {name: _least(getattr(self, name), getattr(most, name)) for name in lower}
        return replace(self, **tighter, nice=max(self.nice or 0, most.nice or 0) or None)

    def refusal(self, controllers: Collection[bytes] | None) -> str | None:
        """Return why they cannot be kept here, or None if they can.

        Args:
            controllers: those of the worker's control group; None if it has none.
        """
        if self.processes is not None and os.geteuid() == 0:
            return (
                f"the limit of {self.processes} processes would not hold: the worker runs as root,"
                " whose processes Linux does not count; run it as another user, or leave out"
                " limits.processes"
            )
        needed = {
            "tree_memory": CONTROLLERS[b"tree_memory_bytes"],
            "tree_processes": CONTROLLERS[b"tree_processes"],
            "tree_cpu_percent": CONTROLLERS[b"tree_cpu_percent"],
        }
        for name, controller in needed.items():
            if getattr(self, name) is not None and controller not in (controllers or ()):
                lacks = (
                    "has no control group; set command.control_group"
                    if controllers is None
                    else f"has a control group without the controller {controller.decode()}"
                )
                return f"limits.{name} would not hold: the worker {lacks}, or leave it out"
        return None

    def fences(self, *, umask: int | None, oom_score_adj: int) -> Fences:
        """Return them as the spawner takes them."""
        return Fences(
            memory_bytes=self.memory,
            cpu_seconds=self.cpu_seconds,
            open_files=self.files,
            processes=self.processes,
            nice=self.nice,
            tree_memory_bytes=self.tree_memory,
            tree_processes=self.tree_processes,
            tree_cpu_percent=self.tree_cpu_percent,
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
    number = read_bytes(value) if name in SIZES else value
    if not isinstance(number, int) or not LEAST[name] <= number <= MOST[name]:
        unit = "bytes, as in 536870912 or 512M" if name in SIZES else "a whole number"
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

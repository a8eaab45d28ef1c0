"""How executors start processes: through a spawner that promises to leave none behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Exit", "Fences", "Launch", "Process", "Spawner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fences:
    """What the kernel holds a process and all that it starts to; None is what the worker has.

    Each is a limit of one process, as `setrlimit(2)` has it, and never more than the worker's own.
    Those of the tree hold for all its processes together, if it has a control group.
    """

    memory_bytes: int | None = None
    """Address space."""

    cpu_seconds: int | None = None
    open_files: int | None = None
    processes: int | None = None
    """Processes of the user, all that there are on the machine; Linux does not count root's."""

    nice: int | None = None
    """From 0 to 19: how far it stands back when processors are short."""

    tree_memory_bytes: int | None = None
    """Memory of the tree, that of its files in the kernel's cache included."""

    tree_processes: int | None = None
    """Processes and threads of the tree."""

    tree_cpu_percent: int | None = None
    """Processor time of the tree, in each tenth of a second; 100 is one processor's."""

    umask: int | None = None
    oom_score_adj: int | None = None
    """From 0 to 1000: how much sooner it is killed than others when memory is short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start."""

    argv: tuple[str, ...]
    """The program (a path, or a name looked up on `PATH` of `env`) and its arguments. No shell."""

    env: Mapping[str, str]
    """The whole environment of the process; the spawner adds its own private marker."""

    cwd: str | None = None
    """The directory to start in; None for the worker's own."""

    files: Mapping[int, int] = field(default_factory=dict[int, int])
    """Descriptor in the child -> ours. Of 0, 1 and 2, what is not named is /dev/null."""

    fences: Fences = Fences()

    control_group: str | None = None
    """The control group in which the tree is to have one of its own; None for none."""

    has_terminal: bool = False
    """Whether descriptors 0 and 1 are a terminal that is to be the process's own, as of a login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process ended, once nothing of its tree was left."""

    code: int | None
    """Exit code, or None if a signal ended it."""

    signal: int | None
    """Number of the signal that ended it, or None."""

    cpu_seconds: float
    """User and system time of the process and of its waited-for children."""

    peak_memory_bytes: int
    left_behind: int
    """How many processes of its tree outlived it and were killed."""

    fenced: bool = False
    """Whether the spawner killed it because the worker's lease could no longer be proved."""

    stopped: bool = False
    """Whether it was asked to stop before it had ended by itself."""


class Process(Protocol):
    """A started process and all that it starts: its tree."""

    @property
    def pid(self) -> int:
        """Process id, which is also its process group and session."""
        ...

    async def wait(self) -> Exit:
        """Return how it ended, once nothing of its tree is left. May be awaited again."""
        ...

    def ask_to_stop(self, *, grace_seconds: float) -> None:
        """Begin to stop the tree as `stop` does, and return at once."""
        ...

    async def stop(self, *, grace_seconds: float) -> Exit:
        """SIGTERM to the tree, then SIGKILL after the grace; return once nothing of it is left."""
        ...


class Spawner(Protocol):
    """Starts processes in sessions of their own, and ends their trees.

    Every tree dies with the worker, however the worker dies, and when the worker's lease can no
    longer be proved.
    """

    async def spawn(self, launch: Launch) -> Process:
        """Start `launch`.

        Raises:
            OSError: the program or the directory does not exist or may not be used.
        """
        ...

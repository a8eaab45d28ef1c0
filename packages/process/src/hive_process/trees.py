"""The trees of processes that one guardian has started, and how each is brought to its end.

A tree is over when its main process and everything that came of it are dead. Because the guardian
is a subreaper, whoever loses its parent becomes the guardian's own child, whatever it did to hide:
so one look at the guardian's children after a main process has ended tells whether it left any.

Whose is an orphan? Its session tells, else the marker in its environment (`procfs`), else its
control group if trees have any. One that has shed what its tree had of these (`setsid env -i ...`)
may be of any tree that lived when it was first seen: it is a *stray*, killed with the last of them.

A tree is killed in rounds: stop whatever is found, look again until nothing new is found, and only
then kill, so that no process can have a child behind the back of the one who looks. What slips
through is an orphan soon, and meets the next round.

Imported by the guardian, so it needs nothing but the built-in part of the standard library.
"""

import os
import signal
from collections.abc import Callable, Iterable

from hive_process import procfs
from hive_process.control_groups import ControlGroup
from hive_process.frames import Ending
from hive_process.kernel import BootTimer

__all__ = ["LEFTOVER_GRACE_SECONDS", "Tree", "Trees"]

LEFTOVER_GRACE_SECONDS = 1.0
"""How long what outlives its main process has, from SIGTERM to SIGKILL."""

_ROUND_SECONDS = 0.1
"""Between two rounds, if nothing else brings the next one about."""

_MOST_LOOKS = 64
"""Most looks for new processes in one round, before the guardian turns to its other duties."""


class Tree:
    """One started process and all that came of it."""

    __slots__ = (
        "asked",
        "group",
        "is_fenced",
        "is_killing",
        "kill_at",
        "killed_with_it",
        "number",
        "orphans",
        "outlived",
        "pid",
        "usage",
        "was_stopped",
    )

    def __init__(self, number: int, pid: int, group: ControlGroup | None) -> None:
        self.number = number
        self.pid = pid
        self.group = group
        self.usage: tuple[int, float, int] | None = None
        """Once the main process has ended: its status, CPU seconds and peak memory in bytes."""

        self.orphans: set[int] = set()
        """Living processes of the tree that have become the guardian's children."""

        self.outlived: set[int] = set()
        """Processes that were found alive after the main process had ended by itself."""

        self.killed_with_it: set[int] = set()
        """Processes that were killed while the main process lived: they did not outlive it."""

        self.asked: set[int] = set()
        """Processes that have had their SIGTERM: a second one often means something else."""

        self.kill_at: float | None = None
        """When the next round of killing is due; None while the tree may live."""

        self.is_killing = False
        self.is_fenced = False
        self.was_stopped = False

    def ending(self) -> Ending:
        """Return how the tree, of which nothing is left, ended."""
        if self.usage is None:
            raise AssertionError(f"the main process {self.pid} has not ended")
        status, cpu_seconds, peak_memory_bytes = self.usage
        return Ending(
            status=status,
            cpu_seconds=cpu_seconds,
            peak_memory_bytes=peak_memory_bytes,
            left_behind=len(self.outlived),
            # One that ended by itself just before the kill has told the truth about its end.
            is_fenced=self.is_fenced and status == -signal.SIGKILL,
            was_stopped=self.was_stopped,
        )


class Trees:
    """Every tree of this guardian that is not yet over."""

    def __init__(self, mark: bytes) -> None:
        self._prefix = mark + b":"
        self._trees: dict[int, Tree] = {}
        self._by_session: dict[int, Tree] = {}
        self._running: dict[int, Tree] = {}
        self._ended: dict[int, Tree] = {}
        self._orphans: dict[int, Tree] = {}
        self._strays: dict[int, set[int]] = {}
        self._dying: dict[int, float] = {}
        """Orphans that could not say whose they are any more -> since when that is known."""

        thread = os.getpid()
        # Kept open: this file is read after every end, and opening it costs more than reading it.
        self._children = os.open(f"/proc/self/task/{thread}/children", os.O_RDONLY | os.O_CLOEXEC)

    def plant(self, number: int, pid: int, group: ControlGroup | None = None) -> None:
        """Watch over the process `pid`, which has just been started in a session of its own."""
        tree = Tree(number, pid, group)
        self._trees[number] = self._by_session[pid] = self._running[pid] = tree

    def next_deadline(self) -> float | None:
        """Return when something is due though nothing happens, or None."""
        deadlines = [tree.kill_at for tree in self._trees.values() if tree.kill_at is not None]
        if self._ended:
            deadlines += [begun + LEFTOVER_GRACE_SECONDS for begun in self._dying.values()]
        return min(deadlines, default=None)

    def reap(self) -> None:
        """Wait for every process that has ended."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._dying.pop(pid, None)
            if tree := self._running.pop(pid, None):
                exit_code = os.waitstatus_to_exitcode(status)
                cpu_seconds = usage.ru_utime + usage.ru_stime
                tree.usage = exit_code, cpu_seconds, usage.ru_maxrss * 1024
                self._ended[tree.number] = tree
            elif tree := self._orphans.pop(pid, None):
                tree.orphans.discard(pid)
            else:
                self._strays.pop(pid, None)

    def take_finished(self, now: float) -> list[Tree]:
        """Return the trees of which nothing is left, and begin to end what others left behind."""
        if not self._ended or not self._adopt():
            return []
        finished: list[Tree] = []
        for tree in list(self._ended.values()):
            self._take_strays_of(tree)
            if not tree.orphans:
                self._forget(tree)
                finished.append(tree)
            elif tree.is_killing:
                self._kill_round(tree, now)
            else:
                self._end_leftovers(tree, now)
        return finished

    def stop(self, number: int, *, grace_seconds: float, now: float) -> None:
        """Ask the tree to end, and see to it after the grace."""
        tree = self._trees.get(number)
        if tree is None or tree.is_killing:
            return
        tree.was_stopped |= tree.usage is None
        deadline = now + max(0.0, grace_seconds)
        tree.kill_at = deadline if tree.kill_at is None else min(deadline, tree.kill_at)
        if grace_seconds > 0:
            self._ask_to_end(tree, _walk(self._roots(tree)))
        else:
            self._kill_round(tree, now)

    def kill_due(self, now: float) -> None:
        """Kill the trees whose grace has passed."""
        for tree in list(self._trees.values()):
            if tree.kill_at is not None and tree.kill_at <= now:
                self._kill_round(tree, now)

    def fence(self, now: float) -> None:
        """Kill every tree, because the worker's leases are no longer proved."""
        self.reap()
        for tree in list(self._trees.values()):
            tree.is_fenced |= tree.usage is None
            self._kill_round(tree, now)

    def kill_everything(self) -> bool:
        """Kill every process below this one, known or not; return whether there was any."""
        self.reap()
        _kill(self._read_children)
        groups = [tree.group for tree in self._trees.values() if tree.group is not None]
        for group in groups:
            group.kill()
        if self._read_children():
            return True
        for group in groups:
            group.remove()
        return False

    def _roots(self, tree: Tree) -> list[int]:
        """Return the living processes from which all others of `tree` descend."""
        self._adopt()
        self._take_strays_of(tree)
        return [tree.pid, *tree.orphans] if tree.usage is None else list(tree.orphans)

    def _end_leftovers(self, tree: Tree, now: float) -> None:
        leftovers = _walk(tree.orphans)
        tree.outlived.update(leftovers)
        if tree.kill_at is None:
            tree.kill_at = now + LEFTOVER_GRACE_SECONDS
        self._ask_to_end(tree, leftovers)

    def _ask_to_end(self, tree: Tree, pids: list[int]) -> None:
        """SIGTERM, and SIGCONT so that a stopped process gets to see it."""
        for pid in pids:
            if pid not in tree.asked:
                _signal(pid, signal.SIGTERM)
                _signal(pid, signal.SIGCONT)
        tree.asked.update(pids)

    def _kill_round(self, tree: Tree, now: float) -> None:
        tree.is_killing = True
        tree.kill_at = now + _ROUND_SECONDS
        killed = _kill(lambda: self._roots(tree))
        if tree.group is not None:
            tree.group.kill()
        if tree.usage is None:
            tree.killed_with_it |= killed
        else:
            tree.outlived |= killed - tree.killed_with_it

    def _forget(self, tree: Tree) -> None:
        del self._ended[tree.number], self._trees[tree.number], self._by_session[tree.pid]
        for candidates in self._strays.values():
            candidates.discard(tree.number)
        if tree.group is not None:
            tree.group.remove()

    def _take_strays_of(self, tree: Tree) -> None:
        mine = [pid for pid, candidates in self._strays.items() if candidates == {tree.number}]
        for pid in mine:
            del self._strays[pid]
            self._give(pid, tree)

    def _give(self, pid: int, tree: Tree) -> None:
        self._orphans[pid] = tree
        tree.orphans.add(pid)

    def _adopt(self) -> bool:
        """Find out whose the orphans are that have come here; return whether all are known.

        One that has died since the last `reap` may have had a child meanwhile, which is an orphan
        by now and not in the list that was read: so its death calls for another look.
        """
        for _ in range(_MOST_LOOKS):
            children = self._read_children()
            if len(children) == len(self._running) + len(self._orphans):
                return True
            unknown = [
                pid for pid in children if pid not in self._running and pid not in self._orphans
            ]
            placed = [self._place(pid) for pid in unknown]
            if all(placed):
                return True
            self.reap()
            unsettled = {pid for pid, is_known in zip(unknown, placed, strict=True) if not is_known}
            if unsettled <= self._dying.keys():
                # Its death will be told; to look again and again until then gains nothing.
                return False
        return False

    def _place(self, pid: int) -> bool:
        """Find out whose the orphan `pid` is; return False if it has died, or is about to.

        One that is dying cannot say whose it is any more. What it leaves behind can, once that is
        here; until then no tree is over, because each might have more to come. One that takes
        longer than a second to die is of any of them.
        """
        if tree := self._owner(pid):
            self._strays.pop(pid, None)
            self._dying.pop(pid, None)
            self._give(pid, tree)
            return True
        # Asked after its marks were: what began to die in between has not shown them.
        status = procfs.status_of(pid)
        if status is None or status.is_dead:
            return False
        if status.is_dying and pid not in self._strays:
            now = BootTimer.now()
            if now < self._dying.setdefault(pid, now) + LEFTOVER_GRACE_SECONDS:
                return False
        self._dying.pop(pid, None)
        self._strays.setdefault(pid, set(self._trees))
        return True

    def _owner(self, pid: int) -> Tree | None:
        status = procfs.status_of(pid)
        if status is None or status.is_dead:
            return None
        return self._by_session.get(status.session) or self._marked(pid) or self._held(pid)

    def _marked(self, pid: int) -> Tree | None:
        for mark in procfs.marks_of(pid):
            number = mark.removeprefix(self._prefix)
            if number != mark and number.isdigit():
                return self._trees.get(int(number))
        return None

    def _held(self, pid: int) -> Tree | None:
        for tree in self._trees.values():
            if tree.group is not None and tree.group.holds(pid):
                return tree
        return None

    def _read_children(self) -> list[int]:
        # Exact, because none of them can go away while the only one who waits for them reads.
        os.lseek(self._children, 0, os.SEEK_SET)
        return list(map(int, procfs.read_all(self._children).split()))


def _walk(roots: Iterable[int]) -> list[int]:
    """Return `roots` and all their living descendants, parents first."""
    found: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in found:
            continue
        status = procfs.status_of(pid)
        if status is None or status.is_dead:
            continue
        found[pid] = None
        waiting += procfs.children_of(pid)
    return list(found)


def _kill(roots: Callable[[], Iterable[int]]) -> set[int]:
    """Kill `roots` and all their descendants; return those that were found alive."""
    stopped: set[int] = set()
    for _ in range(_MOST_LOOKS):
        fresh = [pid for pid in _walk(roots()) if pid not in stopped]
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped.update(fresh)
    for pid in stopped:
        _signal(pid, signal.SIGKILL)
    return stopped


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        # Gone, or a program with rights of its own (sudo): those are not ours to end.
        return

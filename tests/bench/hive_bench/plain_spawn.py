"""The yardstick for processes: what one Python process starts when it promises nothing.

`os.posix_spawn`, a pidfd and two pipes for each, one epoll for all, no event loop.
"""

import os
import select
import time

__all__ = ["ENV", "PROGRAM", "PlainLoop"]

PROGRAM = "/bin/true"
ENV = {"PATH": "/usr/bin:/bin"}


class PlainLoop:
    """The yardstick: one thread, one epoll, nothing else."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.open: dict[int, tuple[int, int]] = {}
        """Descriptor -> pid (0 for a pipe) and the slot it belongs to."""

        self.left: dict[int, int] = {}

    def start(self, slot: int) -> None:
        pipes = [os.pipe(), os.pipe()]
        actions = [(os.POSIX_SPAWN_DUP2, pipes[0][1], 1), (os.POSIX_SPAWN_DUP2, pipes[1][1], 2)]
        pid = os.posix_spawn(PROGRAM, [PROGRAM], ENV, file_actions=actions)
        for ours, theirs in pipes:
            os.close(theirs)
            self.watch(ours, 0, slot)
        self.watch(os.pidfd_open(pid), pid, slot)
        self.left[slot] = 3

    def watch(self, descriptor: int, pid: int, slot: int) -> None:
        self.open[descriptor] = pid, slot
        self.poll.register(descriptor, select.EPOLLIN)

    def handle(self, descriptor: int) -> int | None:
        """Return the slot if it has become free."""
        pid, slot = self.open[descriptor]
        if pid:
            os.waitpid(pid, 0)
        elif os.read(descriptor, 65536):
            return None
        self.poll.unregister(descriptor)
        os.close(descriptor)
        del self.open[descriptor]
        self.left[slot] -= 1
        return None if self.left[slot] else slot

    def run(self, count: int, flight: int) -> float:
        begun = time.perf_counter()
        for slot in range(flight):
            self.start(slot)
        started, ended = flight, 0
        while ended < count:
            for descriptor, _ in self.poll.poll():
                slot = self.handle(descriptor)
                if slot is not None:
                    ended += 1
                    if started < count:
                        started += 1
                        self.start(slot)
        return count / (time.perf_counter() - begun)

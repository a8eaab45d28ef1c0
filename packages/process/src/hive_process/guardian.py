"""The guardian: a small process beside each worker that starts, watches and ends its processes.

Why a process of its own: a worker that is killed cannot clean up, one that is frozen cannot keep
its promise to stop when its lease runs out, and one that does much else starts processes slowly.
The guardian is small, does nothing else, and sits in a session of its own, out of reach of the
Ctrl-C and of the signals that are meant for the worker.

    worker ── LAUNCH, STOP ──▶ guardian ── posix_spawn, wait4, kill ──▶ trees of processes
           ── proofs ────────▶
           ◀── STARTED, REFUSED, ENDED ──

1. The worker is gone, however it went (the socket ends, or its pidfd says so): every tree is
   killed, round after round until nothing is left, and the guardian ends.
2. The worker is there but has not proved its leases in time (a proof names a moment of
   CLOCK_BOOTTIME, which goes on during a suspend): every tree is killed, and no other is started
   until the worker proves its leases anew. Proofs come from the worker's heartbeat by a pipe of
   their own (`proofs`), which is emptied before anything is refused or killed: what was sent in
   time counts, also if the guardian was slow to read it.
3. A tree has ended only when nothing of it is left; `trees` says how that is known.
4. The guardian itself is gone: the worker's socket ends, its trees carry its marker, and `sweep`
   ends them.

Single-threaded on purpose: it changes its directory for a launch, and reads its list of children
without anybody else waiting for them. It needs nothing but the built-in part of the standard
library: 20 ms and 11 MB to start it (Linux 6.18, two cores, Python 3.11.7, November 2026).
"""

import errno
import os
import resource
import select
import signal
import socket
from collections import deque

from hive_process import frames, procfs
from hive_process.control_groups import ControlGroup
from hive_process.frames import Order
from hive_process.kernel import BootTimer, become_subreaper, call_this_process, open_child_signals
from hive_process.launching import Launcher
from hive_process.proofs import read_furthest
from hive_process.trees import Trees

__all__ = ["Guardian", "main"]

_DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)
"""It ends with its worker, never before: a whole service is often told to end at once."""

_READ_BYTES = 64 * 1024
_LAST_ROUND_SECONDS = 0.1
_ANSWERS_AT_ONCE = 4
"""Launches after which their answers go out: the worker can work while the next ones start."""


class Guardian:
    """One worker's guardian, from its first word to the end of the last process."""

    def __init__(self, connection: socket.socket, proofs: int, worker_pid: int) -> None:
        self._connection = connection
        self._proofs = proofs
        self._worker_pid = worker_pid
        mark = procfs.guard_of(os.getpid())
        if mark is None:
            raise AssertionError("a running process is in /proc")
        outer = os.environb.get(procfs.MARKER)
        self._mark = mark.encode() + b":"
        self._marks = b"".join((outer + b"," if outer else b"", self._mark))
        self._trees = Trees(mark.encode())
        self._launcher = Launcher()
        self._fence = BootTimer()
        self._proved_until: float | None = None
        self._received = bytearray()
        self._descriptors: deque[int] = deque()
        self._answers = bytearray()
        self._poll = select.epoll()
        self._waits_to_write = False
        self._has_worker = True

    def watch(self, child_signals: int) -> None:
        """Serve the worker until it is gone, then end everything."""
        self._poll.register(self._connection, select.EPOLLIN)
        self._poll.register(child_signals, select.EPOLLIN)
        self._poll.register(self._fence.descriptor, select.EPOLLIN)
        self._poll.register(self._proofs, select.EPOLLIN)
        worker = self._watch_worker()
        self._answers += frames.encode_ready()
        self._flush()
        while self._has_worker:
            for descriptor, _ in self._poll.poll(self._patience_seconds()):
                if descriptor == child_signals:
                    _drain(child_signals)
                elif descriptor == worker:
                    self._has_worker = False
                elif descriptor == self._fence.descriptor:
                    self._fence.clear()
                elif descriptor == self._proofs:
                    self._hear_proofs()
                else:
                    self._listen()
            self._tend()
        self._end_everything(child_signals)

    def _watch_worker(self) -> int | None:
        """Watch the worker's pid as well: a copy of its socket may live on in a child it forked."""
        try:
            descriptor = os.pidfd_open(self._worker_pid)
        except OSError:
            descriptor = None
        if os.getppid() != self._worker_pid:
            self._has_worker = False
        if descriptor is not None:
            self._poll.register(descriptor, select.EPOLLIN)
        return descriptor

    def _patience_seconds(self) -> float:
        deadline = self._trees.next_deadline()
        return -1 if deadline is None else max(0.0, deadline - BootTimer.now())

    def _tend(self) -> None:
        """Do what is due: wait for the dead, tell of the ended, kill what has had its time."""
        self._trees.reap()
        is_proved, now = self._is_proved(), BootTimer.now()
        if not is_proved:
            self._trees.fence(now)
        self._trees.kill_due(now)
        for tree in self._trees.take_finished(now):
            self._answers += frames.encode_ended(tree.number, tree.ending())
        self._flush()

    def _is_proved(self) -> bool:
        """Return whether the leases are proved now; a no is given only after a look at the pipe."""
        if self._proved_until is None or BootTimer.now() >= self._proved_until:
            self._hear_proofs()
        return self._proved_until is None or BootTimer.now() < self._proved_until

    def _hear_proofs(self) -> None:
        furthest, may_come = read_furthest(self._proofs)
        if not may_come:
            # The worker closes it only at its own end; unread, it would wake the guardian for ever.
            self._has_worker = False
        if furthest is not None and (self._proved_until is None or furthest > self._proved_until):
            self._proved_until = furthest
            self._fence.set(None if furthest == float("inf") else furthest)

    def _listen(self) -> None:
        """Read what the worker says, and do it."""
        try:
            data, ancillary, flags, _ = self._connection.recvmsg(
                _READ_BYTES, socket.CMSG_SPACE(4 * frames.MAX_DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except ConnectionResetError:
            data, ancillary, flags = b"", [], 0
        if flags & socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, "the guardian has no room for a launch's descriptors")
        for _, _, packed in ancillary:
            self._descriptors.extend(memoryview(packed).cast("i"))
        if not data:
            self._has_worker = False
            return
        self._received += data
        launched = 0
        for kind, number, body in frames.split_frames(self._received):
            self._obey(kind, number, body)
            launched += kind == frames.LAUNCH
            if launched == _ANSWERS_AT_ONCE:
                launched = 0
                self._tend()

    def _obey(self, kind: int, number: int, body: bytes) -> None:
        if kind == frames.LAUNCH:
            self._launch(number, frames.decode_launch(body))
        elif kind == frames.STOP:
            grace_seconds = frames.decode_stop(body)
            self._trees.stop(number, grace_seconds=grace_seconds, now=BootTimer.now())
        else:
            raise AssertionError(f"a worker says nothing of kind {kind}")

    def _launch(self, number: int, order: Order) -> None:
        descriptors = [self._descriptors.popleft() for _ in order.targets]
        try:
            if not self._is_proved():
                self._answers += frames.encode_refused(number, frames.NOT_PROVED, b"")
                return
            order.env[procfs.MARKER] = b"%s%d" % (self._marks, number)
            pid, group = self._start(number, order, descriptors)
        except OSError as error:
            path = os.fsencode(error.filename or order.cwd or order.argv[0])
            self._answers += frames.encode_refused(number, error.errno or errno.EINVAL, path)
        else:
            self._trees.plant(number, pid, group)
            self._answers += frames.encode_started(number, pid)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _start(
        self, number: int, order: Order, descriptors: list[int]
    ) -> tuple[int, ControlGroup | None]:
        if order.control_group is None:
            return self._launcher.launch(order, descriptors), None
        mark = b"%s%d" % (self._mark, number)
        group = ControlGroup.make(order.control_group, mark, order.fences)
        try:
            return self._launcher.launch(order, descriptors, group), group
        except BaseException:
            group.remove()
            raise

    def _flush(self) -> None:
        """Send what the worker will take now: one that is frozen must not hold the guardian up."""
        try:
            while self._answers:
                sent = self._connection.send(self._answers)
                del self._answers[:sent]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self._has_worker = False
            return
        if self._waits_to_write != bool(self._answers):
            self._waits_to_write = not self._waits_to_write
            events = select.EPOLLIN | (select.EPOLLOUT if self._waits_to_write else 0)
            self._poll.modify(self._connection, events)

    def _end_everything(self, child_signals: int) -> None:
        poll = select.epoll()
        poll.register(child_signals, select.EPOLLIN)
        while self._trees.kill_everything():
            poll.poll(_LAST_ROUND_SECONDS)
            _drain(child_signals)


def _drain(descriptor: int) -> None:
    try:
        os.read(descriptor, 4096)
    except BlockingIOError:
        return


def main(descriptor: int, proofs: int, worker_pid: int) -> None:
    """Be the guardian of `worker_pid`, which holds the other ends of `descriptor` and `proofs`."""
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    # What the worker could pass on by accident (descriptors that it inherited itself) ends here.
    os.closerange(max(descriptor, proofs) + 1, os.sysconf("SC_OPEN_MAX"))
    child_signals = open_child_signals()
    become_subreaper()
    call_this_process(b"hive-guardian")
    # No command drops a core, which may be as large as memory, unless it asks for one itself.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    connection = socket.socket(fileno=descriptor)
    connection.setblocking(False)
    connection.set_inheritable(False)
    os.set_inheritable(proofs, False)
    Guardian(connection, proofs, worker_pid).watch(child_signals)
    # The worker takes the end of the socket for the end of the process: no time between them.
    os._exit(0)

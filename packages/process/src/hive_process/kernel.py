"""What Linux offers and the standard library of Python 3.11 does not.

To adopt the orphans of one's descendants, to have a name, to read of dead children from a
descriptor, and to be woken by the clock that goes on while the machine is suspended.

Imported by the guardian, so it needs nothing but the built-in part of the standard library.
"""

import ctypes
import os
import signal
import time

__all__ = [
    "BootTimer",
    "OwnOomScore",
    "become_subreaper",
    "call_this_process",
    "is_subreaping_known",
    "open_child_signals",
]

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_CLOCK_BOOTTIME = 7
_TFD_TIMER_ABSTIME = 1
_CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK
"""SFD_ and TFD_ flags are these very numbers on every architecture."""

_SIGNAL_SET_BYTES = 128


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSetting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def become_subreaper() -> None:
    """Become the parent of every descendant that loses its own.

    Raises:
        OSError: the kernel refused.
    """
    _checked(_libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def is_subreaping_known() -> bool:
    """Return whether this kernel lets a process become a subreaper; asks, and changes nothing."""
    answer = ctypes.c_int()
    return _libc().prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0


def call_this_process(name: bytes) -> None:
    """Show this process as `name`, of at most 15 bytes, in lists of processes.

    Raises:
        OSError: the kernel refused.
    """
    _checked(_libc().prctl(_PR_SET_NAME, name, 0, 0, 0), "prctl")


def open_child_signals() -> int:
    """Block SIGCHLD, and return a descriptor that is readable while one is pending.

    Raises:
        OSError: the kernel refused.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    mask = bytearray(_SIGNAL_SET_BYTES)
    bit = signal.SIGCHLD - 1
    mask[bit // 8] |= 1 << bit % 8
    buffer = (ctypes.c_char * _SIGNAL_SET_BYTES).from_buffer(mask)
    return _checked(_libc().signalfd(-1, buffer, _CLOEXEC_NONBLOCK), "signalfd")


class OwnOomScore:
    """How soon this process is killed when memory is short; whom it starts inherits it."""

    def __init__(self) -> None:
        # Some kernels and containers have it read-only, or not at all: it is help, no promise.
        try:
            self._file = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            self._own = int(os.pread(self._file, 16, 0))
            self._write(self._own)
        except OSError:
            self._file = -1
            self._own = 0

    @property
    def can_be_raised(self) -> bool:
        """Whether this machine lets it be changed."""
        return self._file >= 0

    def raise_to(self, score: int) -> None:
        """Take on `score`, or keep a higher one: to lower it is the right of root alone."""
        if score > self._own:
            self._write(score)

    def put_back(self) -> None:
        """Take on what this process had at first."""
        self._write(self._own)

    def _write(self, score: int) -> None:
        if self._file >= 0:
            os.pwrite(self._file, b"%d" % score, 0)


class BootTimer:
    """A descriptor that is readable once CLOCK_BOOTTIME has passed a moment."""

    def __init__(self) -> None:
        self._set = _libc().timerfd_settime
        create = _libc().timerfd_create
        self.descriptor = _checked(create(_CLOCK_BOOTTIME, _CLOEXEC_NONBLOCK), "timerfd_create")

    @staticmethod
    def now() -> float:
        """Return seconds since boot, suspends included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def set(self, seconds: float | None) -> None:
        """Fire at `seconds` since boot, at once if that has passed; None for never."""
        setting = _TimerSetting()
        if seconds is not None:
            # All zero would mean never.
            nanoseconds = max(1, int(seconds * 1_000_000_000))
            setting.value.seconds, setting.value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        result = self._set(self.descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(setting), None)
        _checked(result, "timerfd_settime")

    def clear(self) -> None:
        """Take note that it has fired, so that it is no longer readable."""
        try:
            os.read(self.descriptor, 8)
        except BlockingIOError:
            return

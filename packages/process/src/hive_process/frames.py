"""What a worker and its guardian say to one another, as bytes on a stream socket.

    frame = length (4 bytes, of all of it)  kind (1 byte)  number of the tree (8 bytes)  body

    worker to guardian                      guardian to worker
    LAUNCH  program, arguments, ...         READY    it watches
    STOP    grace in seconds                STARTED  pid
                                            REFUSED  error number, path
                                            ENDED    how

How long the worker's leases are proved is told beside it, through a pipe (`proofs`).

Both ends are of one version of Hive and on one machine, so numbers have the machine's own order.
The descriptors of a LAUNCH travel beside its bytes (SCM_RIGHTS) and arrive with its first byte or
before; the frame says how many of those that came are its own. It is a stream because arguments and
environment may be larger than any datagram.

Imported by the guardian, so it needs nothing but the built-in part of the standard library.
"""

import struct

__all__ = [
    "ENDED",
    "LAUNCH",
    "MAX_DESCRIPTORS",
    "NOT_PROVED",
    "READY",
    "REFUSED",
    "STARTED",
    "STOP",
    "Ending",
    "Order",
    "decode_ended",
    "decode_launch",
    "decode_refused",
    "decode_started",
    "decode_stop",
    "encode_ended",
    "encode_launch",
    "encode_ready",
    "encode_refused",
    "encode_started",
    "encode_stop",
    "split_frames",
]

LAUNCH, STOP, READY, STARTED, REFUSED, ENDED = range(1, 7)

NOT_PROVED = 0
"""In place of an error number in a REFUSED: no lease is proved, so nothing may start."""

MAX_DESCRIPTORS = 64
"""Most descriptors beside one message; Linux takes 253, and a process may often hold only 1,024."""

_HEAD = struct.Struct("=IBQ")
_LAUNCH = struct.Struct("=IIII???")
_STARTED = struct.Struct("=I")
_REFUSED = struct.Struct("=I")
_STOP = struct.Struct("=d")
_ENDED = struct.Struct("=idQI??")


class Order:
    """A launch as the guardian reads it: everything in bytes, as the kernel takes it."""

    __slots__ = ("argv", "control_group", "cwd", "env", "fences", "has_terminal", "targets")

    def __init__(
        self,
        *,
        argv: list[bytes],
        env: dict[bytes, bytes],
        cwd: bytes | None,
        targets: tuple[int, ...],
        fences: dict[bytes, int],
        control_group: bytes | None = None,
        has_terminal: bool = False,
    ) -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.targets = targets
        """The child's descriptors, in the order in which those beside the frame stand for them."""

        self.fences = fences
        """By the name of a field of `Fences`, those that are not None."""

        self.control_group = control_group
        """The one in which the tree is to have its own; None for none."""

        self.has_terminal = has_terminal
        """Whether the child's descriptors 0 and 1 are a terminal that is to control its session."""


class Ending:
    """How a tree ended."""

    __slots__ = (
        "cpu_seconds",
        "is_fenced",
        "left_behind",
        "peak_memory_bytes",
        "status",
        "was_stopped",
    )

    def __init__(
        self,
        *,
        status: int,
        cpu_seconds: float,
        peak_memory_bytes: int,
        left_behind: int,
        is_fenced: bool,
        was_stopped: bool,
    ) -> None:
        self.status = status
        """As `os.waitstatus_to_exitcode` gives it: minus the signal's number if one ended it."""

        self.cpu_seconds = cpu_seconds
        self.peak_memory_bytes = peak_memory_bytes
        self.left_behind = left_behind
        self.is_fenced = is_fenced
        """Whether the guardian ended it because the worker's leases were no longer proved."""

        self.was_stopped = was_stopped
        """Whether the worker had asked for its end before the main process had ended."""


def _frame(kind: int, number: int, body: bytes) -> bytes:
    return _HEAD.pack(_HEAD.size + len(body), kind, number) + body


def split_frames(buffer: bytearray) -> list[tuple[int, int, bytes]]:
    """Take the complete frames off the front of `buffer`: kind, number of the tree, body."""
    frames: list[tuple[int, int, bytes]] = []
    start = 0
    while len(buffer) - start >= _HEAD.size:
        length, kind, number = _HEAD.unpack_from(buffer, start)
        if len(buffer) - start < length:
            break
        frames.append((kind, number, bytes(buffer[start + _HEAD.size : start + length])))
        start += length
    del buffer[:start]
    return frames


def encode_launch(
    number: int,
    *,
    argv: list[bytes],
    env: list[bytes],
    cwd: bytes | None,
    targets: tuple[int, ...],
    fences: list[bytes],
    control_group: bytes | None = None,
    has_terminal: bool = False,
) -> bytes:
    """Return the order to start `argv`.

    `env` holds `NAME=value`, `fences` likewise with numbers; nothing may hold a NUL.
    """
    flags = cwd is not None, control_group is not None, has_terminal
    head = _LAUNCH.pack(len(targets), len(argv), len(env), len(fences), *flags)
    numbers = struct.pack(f"={len(targets)}I", *targets)
    texts = b"\0".join([cwd or b"", control_group or b"", *argv, *env, *fences])
    return _frame(LAUNCH, number, head + numbers + texts)


def decode_launch(body: bytes) -> Order:
    """Return the order in `body`."""
    files, arguments, variables, fences, *flags = _LAUNCH.unpack_from(body)
    has_cwd, has_control_group, has_terminal = flags
    targets = struct.unpack_from(f"={files}I", body, _LAUNCH.size)
    cwd, control_group, *texts = body[_LAUNCH.size + 4 * files :].split(b"\0")
    before = arguments + variables
    limits = _mapping(texts[before : before + fences])
    return Order(
        argv=texts[:arguments],
        env=_mapping(texts[arguments:before]),
        cwd=cwd if has_cwd else None,
        targets=targets,
        fences={name: int(value) for name, value in limits.items()},
        control_group=control_group if has_control_group else None,
        has_terminal=has_terminal,
    )


def _mapping(entries: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for entry in entries:
        name, _, value = entry.partition(b"=")
        found[name] = value
    return found


def encode_stop(number: int, grace_seconds: float) -> bytes:
    """Return the order to end a tree."""
    return _frame(STOP, number, _STOP.pack(grace_seconds))


def decode_stop(body: bytes) -> float:
    """Return the grace in a STOP, in seconds."""
    return _STOP.unpack(body)[0]


def encode_ready() -> bytes:
    """Return the guardian's first word."""
    return _frame(READY, 0, b"")


def encode_started(number: int, pid: int) -> bytes:
    """Return the word that a tree has begun."""
    return _frame(STARTED, number, _STARTED.pack(pid))


def decode_started(body: bytes) -> int:
    """Return the pid in a STARTED."""
    return _STARTED.unpack(body)[0]


def encode_refused(number: int, error: int, path: bytes) -> bytes:
    """Return the word that a launch failed at `path`; `error` is an errno."""
    return _frame(REFUSED, number, _REFUSED.pack(error) + path)


def decode_refused(body: bytes) -> tuple[int, bytes]:
    """Return the error number and the path in a REFUSED."""
    return _REFUSED.unpack_from(body)[0], body[_REFUSED.size :]


def encode_ended(number: int, ending: Ending) -> bytes:
    """Return the word that nothing of a tree is left."""
    body = _ENDED.pack(
        ending.status,
        ending.cpu_seconds,
        ending.peak_memory_bytes,
        ending.left_behind,
        ending.is_fenced,
        ending.was_stopped,
    )
    return _frame(ENDED, number, body)


def decode_ended(body: bytes) -> Ending:
    """Return how the tree ended."""
    status, cpu_seconds, peak_memory_bytes, left_behind, is_fenced, was_stopped = _ENDED.unpack(
        body
    )
    return Ending(
        status=status,
        cpu_seconds=cpu_seconds,
        peak_memory_bytes=peak_memory_bytes,
        left_behind=left_behind,
        is_fenced=is_fenced,
        was_stopped=was_stopped,
    )

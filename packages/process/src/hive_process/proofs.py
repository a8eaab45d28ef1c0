"""Proofs of the worker's leases on their way to its guardian: a pipe of their own.

They come from the heartbeat's thread and ask nothing of the worker's event loop: a loop that a
function blocks for most of a lease time goes on proving its leases, and its neighbours' processes
live. Each proof is one number, the moment of CLOCK_BOOTTIME until which the leases are proved.

    heartbeat's thread ── 8 bytes each ──▶ pipe ──▶ guardian, which keeps the furthest

The furthest wins because a proof once given stays true: a lease is never granted for less. So what
arrives late changes nothing, and what is lost in a full pipe (8,192 proofs that the guardian has
not read: it was frozen for hours) can only have it strike too early.

Imported by the guardian, so it needs nothing but the built-in part of the standard library.
"""

import os
import struct
from threading import Lock

__all__ = ["ProofPipe", "read_furthest"]

_PROOF = struct.Struct("=d")
_READ_BYTES = 64 * 1024
"""As much as the pipe holds; a write of eight bytes is never torn (PIPE_BUF)."""


class ProofPipe:
    """The worker's end, and the guardian's until it has been handed over. For any thread."""

    def __init__(self) -> None:
        self.far_end, self._near_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._has_far_end = True
        self._is_open = True
        # Closing waits for a write that is under way: the number may come to mean another file.
        self._turn = Lock()

    def send(self, seconds: float) -> None:
        """Say that the leases are proved until `seconds`; returns at once, whoever listens."""
        with self._turn:
            if self._is_open:
                _write(self._near_end, _PROOF.pack(seconds))

    def close_far_end(self) -> None:
        """Let go of the guardian's end, which it has by now."""
        if self._has_far_end:
            self._has_far_end = False
            os.close(self.far_end)

    def close(self) -> None:
        """Close what is open; what is sent afterwards goes nowhere. Closing twice does nothing."""
        self.close_far_end()
        with self._turn:
            if self._is_open:
                self._is_open = False
                os.close(self._near_end)


def read_furthest(descriptor: int) -> tuple[float | None, bool]:
    """Empty the pipe; return the furthest of what was in it, and whether more may come."""
    furthest: float | None = None
    while True:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return furthest, True
        if not data:
            return furthest, False
        read = max(seconds for (seconds,) in _PROOF.iter_unpack(data))
        furthest = read if furthest is None else max(furthest, read)


def _write(descriptor: int, proof: bytes) -> None:
    try:
        os.write(descriptor, proof)
    except (BlockingIOError, BrokenPipeError):
        # Full: see above. Broken: the guardian is gone, and its spawner tells everybody.
        return

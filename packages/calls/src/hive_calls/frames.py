"""Messages between a worker and its child processes: four bytes of length, then JSON.

A child and its worker share one stream socket. The worker asks and the child answers, one request
at a time:

    worker                                   child
      {"path": [...], "modules": [...]}  ──▶        once, before anything else
      {"look_up": "module:name"}         ──▶
                                         ◀── {"is_async": false}
      {"task_id", "attempt",
       "shows_life", "payload"}          ──▶
                                         ◀── an empty message, as often as it shows life
                                         ◀── {"ask": "parents"}, any number of times
      [{"id", "state", "result", ...}]   ──▶
                                         ◀── {"ask": "answers"}, likewise
      [{"question", "answer", ...}]      ──▶
                                         ◀── {"result": ..., "then": [tasks]}
                                          or {"error": "...", "is_retryable": true, "names": [...]}
                                          or {"asks": {"reason": "...", "seconds": 60, ...}}
                                          or {"asks": {"reason": "...", "options": [...]}}

The child's end is read with plain blocking calls, so that the child needs no `socket` and no
`asyncio` to start.
"""

import os
import struct
from typing import Final

__all__ = [
    "CHANNEL",
    "MAX_FRAME_BYTES",
    "MAX_REPLY_BYTES",
    "frame",
    "frame_size",
    "read_frame",
    "write_frame",
]

CHANNEL: Final = 3
"""The child's descriptor of the socket."""

HEADER_BYTES: Final = 4
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
"""The most that a child may answer: a result, and the tasks that are to follow it."""

MAX_FRAME_BYTES: Final = MAX_REPLY_BYTES + 1024
"""A longer message can only be noise that the function wrote to the socket."""

_header: Final = struct.Struct(">I")


def frame(body: str) -> bytes:
    """Return `body` as one message."""
    encoded = body.encode()
    return _header.pack(len(encoded)) + encoded


def frame_size(start: bytes | bytearray) -> int | None:
    """Return how many bytes the message that begins with `start` has in all, header included.

    None if `start` does not hold the whole header yet.
    """
    if len(start) < HEADER_BYTES:
        return None
    return HEADER_BYTES + _header.unpack_from(start)[0]


def read_frame(descriptor: int) -> bytes | None:
    """Block until a message is there, and return its body; None once the other end has closed."""
    header = _read_exactly(descriptor, HEADER_BYTES)
    if header is None:
        return None
    return _read_exactly(descriptor, _header.unpack(header)[0])


def write_frame(descriptor: int, body: str) -> None:
    """Write `body` as one message; block until all of it is on its way."""
    rest = memoryview(frame(body))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_exactly(descriptor: int, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        piece = os.read(descriptor, min(count - len(data), 1024 * 1024))
        if not piece:
            return None
        data += piece
    return bytes(data)

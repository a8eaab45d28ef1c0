"""What an attempt writes: the head and the tail, in pieces on their way to the store.

The first half of the cap is kept as it comes. After that only the last half is, in memory, until
the attempt ends; what lies between is lost, and the jump in the pieces' positions says how much.
However much a program prints, an attempt costs its worker the cap, and the store one row per piece
and never one per line.
"""

from collections import deque
from dataclasses import replace
from typing import Final

from hive_contracts.execution import Stream
from hive_contracts.leased import Task
from hive_store.worker_store import Piece

__all__ = ["Output"]

PIECE_BYTES: Final = 16 * 1024
LARGEST_PIECE_BYTES: Final = 256 * 1024


class Output:
    """The output of one attempt that is not in the store yet."""

    def __init__(self, task: Task, *, cap_bytes: int) -> None:
        self._task = task
        self._head_left = cap_bytes - cap_bytes // 2
        self._tail_cap = cap_bytes // 2
        self._positions = {Stream.STDOUT: 0, Stream.STDERR: 0}
        self._head: list[Piece] = []
        self._head_bytes = 0
        self._tail: deque[Piece] = deque()
        self._tail_bytes = 0
        self.is_truncated = False
        """Whether something between head and tail was left out."""

    @property
    def is_worth_writing(self) -> bool:
        """Whether enough has gathered that a piece should not wait for its second."""
        return self._head_bytes >= PIECE_BYTES

    def position(self, stream: Stream) -> int:
        """Return where in a stream what is written next will stand, in bytes."""
        return self._positions[stream]

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep `data`, or what fits of it."""
        head, tail = data[: self._head_left], data[self._head_left :]
        if head:
            self._head_left -= len(head)
            self._head_bytes += len(head)
            self._head.append(self._piece(stream, head))
        if tail:
            self._keep_tail(stream, tail)

    def take(self, *, is_final: bool) -> list[Piece]:
        """Return the pieces to write now: the head so far, at the end the tail too."""
        pieces = self._head
        self._head, self._head_bytes = [], 0
        if is_final:
            pieces.extend(self._take_tail())
        return _joined(pieces)

    def _take_tail(self) -> list[Piece]:
        """Return the tail, cut to its cap: until now it held one piece more than fits, or less."""
        excess = self._tail_bytes - self._tail_cap
        if excess > 0:
            first = self._tail.popleft()
            cut = replace(first, position=first.position + excess, data=first.data[excess:])
            self._tail.appendleft(cut)
            self.is_truncated = True
        tail = list(self._tail)
        self._tail.clear()
        self._tail_bytes = 0
        return tail

    def _piece(self, stream: Stream, data: bytes) -> Piece:
        position = self._positions[stream]
        self._positions[stream] = position + len(data)
        return Piece(
            task_id=self._task.id,
            lease_id=self._task.lease_id,
            stream=stream,
            position=position,
            data=data,
        )

    def _keep_tail(self, stream: Stream, data: bytes) -> None:
        skipped = max(0, len(data) - self._tail_cap)
        if skipped:
            self._positions[stream] += skipped
            self.is_truncated = True
            data = data[skipped:]
        self._tail.append(self._piece(stream, data))
        self._tail_bytes += len(data)
        while self._tail and self._tail_bytes - len(self._tail[0].data) >= self._tail_cap:
            self._tail_bytes -= len(self._tail.popleft().data)
            self.is_truncated = True


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Return neighbours of one stream as one piece, so that many small writes become one row."""
    joined: list[Piece] = []
    run: list[Piece] = []
    for piece in pieces:
        if run and not _continues(run, piece):
            joined.append(_one(run))
            run = []
        run.append(piece)
    if run:
        joined.append(_one(run))
    return joined


def _continues(run: list[Piece], piece: Piece) -> bool:
    last, size = run[-1], piece.position - run[0].position
    return (
        piece.stream is last.stream
        and piece.position == last.position + len(last.data)
        and size + len(piece.data) <= LARGEST_PIECE_BYTES
    )


def _one(run: list[Piece]) -> Piece:
    if len(run) == 1:
        return run[0]
    first = run[0]
    return Piece(
        task_id=first.task_id,
        lease_id=first.lease_id,
        stream=first.stream,
        position=first.position,
        data=b"".join(piece.data for piece in run),
    )

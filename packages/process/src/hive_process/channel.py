"""The worker's end of the socket to its guardian: frames and descriptors out, frames in.

What is sent within one turn of the event loop leaves in one message, as far as the descriptors
beside it allow; a guardian that is slow to read holds nobody up.
"""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable

from hive_process.frames import MAX_DESCRIPTORS, split_frames

__all__ = ["Channel"]

_READ_BYTES = 64 * 1024
_MESSAGE_BYTES = 64 * 1024
"""Frames are joined up to about this much; a single frame may be longer."""

_PAUSE_SECONDS = 0.005
"""Before another try, when too many descriptors of this user are on their way."""


class Channel:
    """A stream of frames to and from one guardian. Used by one event loop only."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        on_frame: Callable[[int, int, bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._on_frame = on_frame
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._outbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._received = bytearray()
        self._is_scheduled = False
        self._waits_to_write = False
        self._is_open = True
        connection.setblocking(False)
        self._loop.add_reader(connection.fileno(), self._read)

    def send(self, frame: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Send `frame` soon. The caller keeps `descriptors` open until it is answered."""
        self._outbox.append((frame, descriptors))
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def finish(self) -> None:
        """Say that nothing more will come; the guardian then ends everything, and itself."""
        if self._is_open:
            self._flush()
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the socket. Closing twice does nothing."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._connection.fileno())
            self._loop.remove_writer(self._connection.fileno())
            self._connection.close()

    def _read(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.close()
            self._on_end()
            return
        self._received += data
        for kind, number, body in split_frames(self._received):
            self._on_frame(kind, number, body)

    def _flush(self) -> None:
        self._is_scheduled = False
        while self._outbox and self._is_open:
            message, descriptors = self._next_message()
            try:
                sent = self._send(message, descriptors)
            except BlockingIOError:
                self._put_back(message, descriptors)
                self._wait_to_write()
                return
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    # The guardian is gone; the reader will find out, and tells everybody.
                    return
                self._put_back(message, descriptors)
                self._is_scheduled = True
                self._loop.call_later(_PAUSE_SECONDS, self._flush)
                return
            if sent < len(message):
                self._put_back(message[sent:], ())
        self._stop_waiting_to_write()

    def _next_message(self) -> tuple[bytes, tuple[int, ...]]:
        frames: list[bytes] = []
        descriptors: list[int] = []
        size_bytes = 0
        while self._outbox:
            frame, beside = self._outbox[0]
            too_many = len(descriptors) + len(beside) > MAX_DESCRIPTORS
            if frames and (too_many or size_bytes + len(frame) > _MESSAGE_BYTES):
                break
            self._outbox.popleft()
            frames.append(frame)
            descriptors += beside
            size_bytes += len(frame)
        return b"".join(frames), tuple(descriptors)

    def _send(self, message: bytes, descriptors: tuple[int, ...]) -> int:
        if not descriptors:
            return self._connection.send(message)
        return socket.send_fds(self._connection, [message], list(descriptors))

    def _put_back(self, message: bytes, descriptors: tuple[int, ...]) -> None:
        self._outbox.appendleft((message, descriptors))

    def _wait_to_write(self) -> None:
        if not self._waits_to_write:
            self._waits_to_write = True
            self._loop.add_writer(self._connection.fileno(), self._flush)

    def _stop_waiting_to_write(self) -> None:
        if self._waits_to_write and self._is_open:
            self._waits_to_write = False
            self._loop.remove_writer(self._connection.fileno())

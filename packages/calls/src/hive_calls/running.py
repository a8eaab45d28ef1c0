"""One child process as its worker sees it: started, asked, stopped."""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hive_calls.frames import CHANNEL, MAX_FRAME_BYTES, frame, frame_size
from hive_calls.pipes import OutputPipe
from hive_contracts.errors import HiveError, MalformedMessageError
from hive_contracts.execution import Attempt, Stream
from hive_contracts.spawning import Exit, Launch, Process, Spawner
from hive_contracts.wire import decode_json, encode_json

__all__ = ["ChildGoneError", "GibberishError", "RunningChild", "start_child"]

RECEIVE_BYTES = 256 * 1024
EMPTY_BYTES = len(frame(""))
LAST_GASP_SECONDS = 0.25
"""How long a child whose socket has closed may take to be seen dead, before it is stopped."""


class ChildGoneError(HiveError):
    """The child closed its socket before it answered."""


class GibberishError(HiveError):
    """The child wrote to its socket what is no answer."""


class RunningChild:
    """A child process and the descriptors that lead to it. One request at a time."""

    def __init__(
        self,
        *,
        process: Process,
        channel: socket.socket,
        outputs: Sequence[OutputPipe],
        first_words: bytes,
    ) -> None:
        self._process = process
        self._channel = channel
        self._outputs = outputs
        self._unsent = first_words
        self.calls = 0
        self.idle_since_seconds = 0.0

    def is_waiting(self) -> bool:
        """Return whether the child waits for a request: it has neither gone nor said anything."""
        try:
            self._channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def is_whole(self) -> bool:
        """Return whether the child still has its stdout and stderr: a function may close them."""
        return all(output.is_open for output in self._outputs)

    async def ask(self, request: str, attempt: Attempt) -> dict[str, Any]:
        """Send `request` and return the reply; what the child prints meanwhile goes to `attempt`.

        Raises:
            ChildGoneError: there will be no reply; `bury` says how the child ended.
            GibberishError: there was a reply and no sense in it; the child is of no more use.
        """
        self._listen(attempt)
        message, self._unsent = self._unsent + frame(request), b""
        try:
            await asyncio.get_running_loop().sock_sendall(self._channel, message)
            reply = decode_json(await self._receive(attempt))
            while (wanted := reply.get("ask")) in ("parents", "answers"):
                told = await (attempt.parents() if wanted == "parents" else attempt.answers())
                answer = encode_json(told)
                await asyncio.get_running_loop().sock_sendall(self._channel, frame(answer))
                reply = decode_json(await self._receive(attempt))
        except OSError as error:
            raise ChildGoneError(f"its socket is broken: {error}") from error
        except MalformedMessageError as error:
            raise GibberishError(str(error)) from error
        self._listen(None)
        return reply

    async def bury(self, *, grace_seconds: float) -> Exit:
        """Return how a child that is gone has ended, once nothing of it is left."""
        try:
            async with asyncio.timeout(LAST_GASP_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            return await self._process.stop(grace_seconds=grace_seconds)
        finally:
            self._close()

    async def stop(self, *, grace_seconds: float) -> Exit:
        """End the child; return once nothing of it is left."""
        # A function that swallows the signal's exception finds the socket closed afterwards.
        self._channel.close()
        try:
            return await self._process.stop(grace_seconds=grace_seconds)
        finally:
            self._close()

    def _listen(self, attempt: Attempt | None) -> None:
        for output in self._outputs:
            output.drain()
            output.listener = attempt

    async def _receive(self, attempt: Attempt) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while (size := frame_size(data)) is None or len(data) < size or size == EMPTY_BYTES:
            if size == EMPTY_BYTES:
                attempt.show_life()
                del data[:EMPTY_BYTES]
                continue
            if size is not None and size > MAX_FRAME_BYTES:
                raise GibberishError(f"{size:,} bytes are more than any answer has")
            piece = await loop.sock_recv(self._channel, RECEIVE_BYTES)
            if not piece:
                raise ChildGoneError("its socket is closed")
            data += piece
        return bytes(data[4:])

    def _close(self) -> None:
        self._listen(None)
        self._channel.close()
        for output in self._outputs:
            output.close()


async def start_child(
    spawner: Spawner, *, modules: Sequence[str], attempt: Attempt
) -> RunningChild:
    """Start a child that may call functions of `modules`; its first words go to `attempt`.

    Raises:
        OSError: this Python cannot be started.
    """
    ours, theirs = socket.socketpair()
    outputs = (OutputPipe(Stream.STDOUT), OutputPipe(Stream.STDERR))
    try:
        with theirs:
            process = await spawner.spawn(
                Launch(
                    argv=(sys.executable, "-P", "-m", "hive_calls.child"),
                    env=_environment(),
                    files={
                        1: outputs[0].write_end,
                        2: outputs[1].write_end,
                        CHANNEL: theirs.fileno(),
                    },
                )
            )
    except BaseException:
        ours.close()
        for output in outputs:
            output.close()
        raise
    ours.setblocking(False)
    for output in outputs:
        output.close_write_end()
        output.listener = attempt
    return RunningChild(
        process=process,
        channel=ours,
        outputs=outputs,
        first_words=frame(encode_json({"path": _import_path(), "modules": modules})),
    )


def _import_path() -> list[str]:
    # The child finds what the worker finds, whichever way the worker was started. An empty entry
    # means "where I was started", which a child cannot know.
    return [entry or str(Path.cwd()) for entry in sys.path]


def _environment() -> dict[str, str]:
    # What is Hive's own (addresses of its servers, with passwords) is none of the function's.
    return {name: value for name, value in os.environ.items() if not name.startswith("HIVE_")}

"""The program of a child: serves models until its parent closes the socket, or is gone.

    python -P -m hive_inference.host.child DESCRIPTOR PARENT

It is started with one BLAS thread, by its environment, since numpy reads that only once. It gives
way to others (nice), and ends with its parent in two ways: the kernel kills it, and it sees the end
of the socket.
"""

import ctypes
import gc
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hive_inference.errors import InferenceError
from hive_inference.host.wire import Cancel, Frames, Submit, frame, read_order, write_news
from hive_inference.settings import EngineSettings

if TYPE_CHECKING:
    from hive_inference.engine import Engine

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1
_READ_BYTES: Final = 256 * 1024


class _ParentGoneError(Exception):
    """The socket has ended."""


class _Line:
    """The child's end of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = Frames()

    def receive(self, *, wait: bool) -> list[Any]:
        """Return what has come; with `wait`, once something has.

        Raises:
            _ParentGoneError: nothing will come any more.
        """
        while True:
            if not wait and not select.select([self._connection], [], [], 0)[0]:
                return []
            data = self._connection.recv(_READ_BYTES)
            if not data:
                raise _ParentGoneError
            if items := [item for items in self._frames.push(data) for item in items]:
                return items

    def send(self, items: list[dict[str, Any]]) -> None:
        """Send a message; wait for as long as the parent does not read."""
        self._connection.sendall(frame(items))


def main() -> None:
    """Serve until the parent is gone."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent
    _die_with(parent)
    with socket.socket(fileno=descriptor) as connection:
        try:
            _serve(_Line(connection))
        except (_ParentGoneError, ConnectionError):
            return


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It was gone before the kernel knew that we care.
        sys.exit(0)


def _serve(line: _Line) -> None:
    (setup,) = line.receive(wait=True)
    os.nice(setup["nice"])
    started = time.monotonic()
    try:
        engine = _load(setup)
    except InferenceError as error:
        line.send([{"kind": "failed", "error": str(error)}])
        return
    # Models stay for good: a collection would only walk over them.
    gc.freeze()
    line.send([{"kind": "ready", "seconds": time.monotonic() - started}])
    while True:
        for said in line.receive(wait=engine.is_idle):
            match read_order(said):
                case Submit(number, ask):
                    engine.submit(number, ask)
                case Cancel(number):
                    engine.cancel(number)
        if news := engine.step():
            line.send([write_news(item) for item in news])


def _load(setup: dict[str, Any]) -> "Engine":
    from hive_inference.engine import load_engine  # noqa: PLC0415 - numpy, once we are nice

    said = setup["settings"]
    settings = EngineSettings(**said | {"cache": Path(said["cache"])})
    return load_engine({name: Path(path) for name, path in setup["models"].items()}, settings)


if __name__ == "__main__":
    main()

"""Messages between a host and its children: four bytes of length, then a JSON list.

    host                                                  child
      [{"models", "settings", "nice"}]               ──▶        once, before anything else
                                                     ◀── [{"kind": "ready", "seconds"}]
                                                      or [{"kind": "failed", "error"}]
      [{"kind": "generate", "number", ...},
       {"kind": "cancel", "number"}]                 ──▶        whenever
                                                     ◀── [{"kind": "piece", ...}, ...]
                                                                what one step has brought

Importing this needs no numpy.
"""

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from hive_inference.messages import (
    Ask,
    Embed,
    Embedded,
    End,
    Ended,
    Generate,
    News,
    Piece,
    Refused,
    Sampling,
)

__all__ = [
    "Cancel",
    "Frames",
    "Order",
    "Submit",
    "frame",
    "read_news",
    "read_order",
    "write_news",
    "write_order",
]

_header: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Submit:
    """Begin a request."""

    number: int
    ask: Ask


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a request."""

    number: int


Order: TypeAlias = Submit | Cancel


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._received = bytearray()

    def push(self, data: bytes) -> list[list[Any]]:
        """Return the messages that are whole, now that `data` has come."""
        self._received += data
        found: list[list[Any]] = []
        while len(self._received) >= _header.size:
            end = _header.size + _header.unpack_from(self._received)[0]
            if len(self._received) < end:
                break
            found.append(json.loads(self._received[_header.size : end]))
            del self._received[:end]
        return found


def frame(items: Sequence[object]) -> bytes:
    """Return one message."""
    body = json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return _header.pack(len(body)) + body


def write_order(order: Order) -> dict[str, Any]:
    """Return an order as JSON has it."""
    match order:
        case Submit(number, ask):
            kind = "generate" if isinstance(ask, Generate) else "embed"
            return {"kind": kind, "number": number, **asdict(ask)}
        case Cancel(number):
            return {"kind": "cancel", "number": number}


def read_order(said: dict[str, Any]) -> Order:
    """Return what `write_order` was given."""
    kind, number = said.pop("kind"), said.pop("number")
    match kind:
        case "generate":
            sampling = Sampling(**said.pop("sampling"))
            stop = tuple(said.pop("stop"))
            return Submit(number, Generate(**said, sampling=sampling, stop=stop))
        case "embed":
            return Submit(number, Embed(texts=tuple(said.pop("texts")), **said))
        case _:
            return Cancel(number)


def write_news(news: News) -> dict[str, Any]:
    """Return news as JSON has them."""
    match news:
        case Piece(number=number, text=text, tokens=tokens):
            # There is one for every token: `asdict` would take ten times as long.
            return {"kind": "piece", "number": number, "text": text, "tokens": tokens}
        case Embedded():
            vector = base64.b64encode(news.vector).decode("ascii")
            return {"kind": "embedded", **asdict(news), "vector": vector}
        case Ended():
            return {"kind": "ended", **asdict(news)}
        case Refused():
            return {"kind": "refused", **asdict(news)}


def read_news(said: dict[str, Any]) -> News:
    """Return what `write_news` was given."""
    kind = said.pop("kind")
    match kind:
        case "piece":
            return Piece(**said)
        case "embedded":
            return Embedded(vector=base64.b64decode(said.pop("vector")), **said)
        case "ended":
            return Ended(end=End(said.pop("end")), **said)
        case _:
            return Refused(**said)

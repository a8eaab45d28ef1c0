"""What a host knows of its requests and of the seats that are at them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from hive_inference.errors import InferenceError, RequestError
from hive_inference.host.seats import Seat
from hive_inference.messages import Embedded, Ended, News, Piece, Refused

__all__ = ["Place", "Request", "good"]


@dataclass(slots=True, eq=False)
class Place:
    """A seat that is ready, and what runs there."""

    seat: Seat
    running: set[int] = field(default_factory=set[int])


@dataclass(slots=True)
class Request:
    """What is known of a request until its end has been told."""

    news: deque[News | InferenceError] = field(default_factory=deque["News | InferenceError"])
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    place: Place | None = None
    waited_seconds: float = 0.0

    def tell(self, item: News | InferenceError) -> None:
        """Have whoever asked hear this."""
        self.news.append(item)
        self.has_news.set()


def good(item: News | InferenceError) -> Piece | Embedded | Ended:
    """Return news that are no error.

    Raises:
        InferenceError: they are.
    """
    if isinstance(item, InferenceError):
        raise item
    if isinstance(item, Refused):
        raise RequestError(item.error)
    return item

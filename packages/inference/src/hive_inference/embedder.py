"""Requests for vectors: their texts are mixed, sorted by length, and packed by a budget of tokens.

Whole requests are taken from the waiting room, the most urgent first, until there is enough for
several packs; then each step is one pass of the encoder. What is cancelled or late loses the texts
that have not been through yet.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hive_inference.encoder.encoder import Encoder
from hive_inference.encoder.packing import BUDGET_TOKENS, pack
from hive_inference.messages import Embed, Embedded, End, Ended, News
from hive_inference.tokenizer import Tokenizer
from hive_inference.waiting import Waiting, WaitingRoom

__all__ = ["Embedder"]

_WINDOW_TOKENS = 8 * BUDGET_TOKENS
"""Sorted together: more would mix texts better and keep the urgent waiting for longer."""


@dataclass(slots=True, kw_only=True)
class _Running:
    waiting: Waiting[Embed]
    waited_seconds: float
    left: int
    tokens_in: int = 0


@dataclass(frozen=True, slots=True)
class _Text:
    number: int
    place: int
    tokens: list[int]


class Embedder:
    """The requests of one encoder. Not for several threads at once."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        queue_capacity: int,
        clock: Callable[[], float],
    ) -> None:
        """Begin with nothing to do.

        Args:
            encoder: with room for a pack's budget and for its own context.
            tokenizer: of its vocabulary.
            queue_capacity: most requests that may wait.
            clock: seconds, never going back.
        """
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._clock = clock
        self._waiting = WaitingRoom[Embed](queue_capacity)
        self._running: dict[int, _Running] = {}
        self._packs: deque[list[_Text]] = deque()
        self._cancelled: set[int] = set()

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Return how many requests have begun and not ended."""
        return len(self._running)

    @property
    def is_idle(self) -> bool:
        """Return whether a step would find nothing to do."""
        return not self._running and not self._waiting

    def submit(self, number: int, ask: Embed) -> None:
        """Have a request wait for its turn.

        Raises:
            FullError: too many wait already.
        """
        now = self._clock()
        limit = math.inf if ask.within_seconds is None else ask.within_seconds
        self._waiting.add(
            Waiting(number=number, ask=ask, priority=ask.priority, since=now, until=now + limit)
        )

    def cancel(self, number: int) -> None:
        """End a request at the next step; one that is over or unknown is let be."""
        self._cancelled.add(number)

    def step(self) -> list[News]:
        """Take one step, and return what came of it, in order."""
        news = self._sweep()
        if not self._packs:
            self._fill()
        while self._packs:
            texts = [text for text in self._packs.popleft() if text.number in self._running]
            if texts:
                return news + self._encode(texts)
        return news

    def _sweep(self) -> list[News]:
        now = self._clock()
        news: list[News] = [
            _unbegun(waiting, End.CANCELLED, now)
            for number in self._cancelled
            if (waiting := self._waiting.remove(number)) is not None
        ]
        news += [_unbegun(waiting, End.LATE, now) for waiting in self._waiting.remove_late(now)]
        for number, running in list(self._running.items()):
            if number in self._cancelled:
                news.append(self._over(number, End.CANCELLED))
            elif running.waiting.until <= now:
                news.append(self._over(number, End.LATE))
        self._cancelled.clear()
        return news

    def _fill(self) -> None:
        texts: list[_Text] = []
        tokens = 0
        while tokens < _WINDOW_TOKENS and (waiting := self._waiting.take()) is not None:
            running = _Running(
                waiting=waiting,
                waited_seconds=self._clock() - waiting.since,
                left=len(waiting.ask.texts),
            )
            self._running[waiting.number] = running
            for place, text in enumerate(waiting.ask.texts):
                texts.append(_Text(waiting.number, place, self._tokens(text)))
                running.tokens_in += len(texts[-1].tokens)
            tokens += running.tokens_in
        budget = min(BUDGET_TOKENS, self._encoder.max_tokens)
        for numbers in pack([len(text.tokens) for text in texts], budget):
            self._packs.append([texts[number] for number in numbers])

    def _tokens(self, text: str) -> list[int]:
        """Return the text's tokens; of one that is too long the beginning, and the end mark."""
        tokens = self._tokenizer.encode(text)
        context = self._encoder.shape.context
        if len(tokens) > context:
            tokens = [*tokens[: context - 1], tokens[-1]]
        # Without marks an empty text has no token, and a vector must be of something.
        return tokens or [0]

    def _encode(self, texts: list[_Text]) -> list[News]:
        vectors = self._encoder.encode([text.tokens for text in texts])
        news: list[News] = []
        for text, vector in zip(texts, vectors, strict=True):
            news.append(
                Embedded(
                    number=text.number,
                    place=text.place,
                    vector=vector.tobytes(),
                )
            )
            running = self._running[text.number]
            running.left -= 1
            if running.left == 0:
                news.append(self._over(text.number, End.FINISHED))
        return news

    def _over(self, number: int, end: End) -> Ended:
        running = self._running.pop(number)
        return Ended(
            number=number,
            end=end,
            tokens_in=running.tokens_in,
            waited_seconds=running.waited_seconds,
        )


def _unbegun(waiting: Waiting[Embed], end: End, now: float) -> Ended:
    return Ended(number=waiting.number, end=end, waited_seconds=now - waiting.since)

"""Continuous batching: requests enter and leave a decoder's batch between any two of its steps.

    submit ──▶ waiting room ──admit──▶ entering ──▶ speaking ──▶ ended
                                       (prompt, a    (a token     (its slot is free
                                        piece a step) a step)       at the same step)

A step ends what was cancelled or is late, admits what waits into free slots, takes up to `PIECE`
tokens of prompts, oldest first, and then has every speaking sequence say a token. So nothing that
runs waits for a prompt longer than for one piece, and nothing that waits waits for a slot longer
than for one step after it is free.

The decoder's first slots are those of speaking sequences, the next those of entering ones, both
without a gap; when one leaves, others move up.

A sequence that fills its context goes on from its last half, which enters anew.

Source: Yu et al., Orca: A Distributed Serving System for Transformer-Based Generative Models, 2022,
section 3 (scheduling by iteration).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from hive_inference.decoder.decoder import PIECE, Decoder
from hive_inference.messages import End, Ended, Generate, News, Piece, Refused
from hive_inference.sampling import NO_TOKEN, Sampler, choose
from hive_inference.stopping import StopWatch
from hive_inference.tokenizer import TextStream, Tokenizer
from hive_inference.waiting import Waiting, WaitingRoom

__all__ = ["UNSOUND", "Scheduler"]

UNSOUND: Final = "the model has come to what are no numbers; its weights may be damaged"


@dataclass(slots=True, kw_only=True)
class _Sequence:
    number: int
    until: float
    waited_seconds: float
    tokens_in: int
    max_tokens: int
    sampler: Sampler
    stream: TextStream
    watch: StopWatch
    entering: list[int]
    """Tokens that have not been through the decoder yet; for a speaking one, the last."""

    history: list[int]
    """Every token: the prompt's, then its own."""

    said: int = 0
    end: End | None = None
    is_unsound: bool = False
    """Whether the model has said what are no numbers."""


@dataclass(slots=True)
class _Batch:
    speaking: list[_Sequence] = field(default_factory=list["_Sequence"])
    """In the order of their slots."""

    entering: list[_Sequence] = field(default_factory=list["_Sequence"])
    """In the order of their slots, and of their arrival."""

    @property
    def all(self) -> list[_Sequence]:
        return [*self.speaking, *self.entering]


class Scheduler:
    """The requests of one decoder. Not for several threads at once."""

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: Tokenizer,
        *,
        queue_capacity: int,
        clock: Callable[[], float],
        end_tokens: Iterable[int] = (),
    ) -> None:
        """Begin with an empty batch.

        Args:
            decoder: whose slots are used.
            tokenizer: of its vocabulary.
            queue_capacity: most requests that may wait.
            clock: seconds, never going back.
            end_tokens: with these the model says that it is done; they are no text.
        """
        self._decoder = decoder
        self._tokenizer = tokenizer
        self._clock = clock
        self._end_tokens = frozenset(end_tokens)
        self._waiting = WaitingRoom[Generate](queue_capacity)
        self._batch = _Batch()
        self._cancelled: set[int] = set()

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Return how many slots are taken."""
        return len(self._batch.all)

    @property
    def is_idle(self) -> bool:
        """Return whether a step would find nothing to do."""
        return not self.running and not self.waiting

    def submit(self, number: int, ask: Generate) -> None:
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
        news: list[News] = [*self._sweep(), *self._admit()]
        news += self._enter()
        if self._batch.speaking:
            news += self._speak()
        return news

    def _sweep(self) -> list[News]:
        now = self._clock()
        news: list[News] = [
            _unbegun(waiting, End.CANCELLED, now)
            for number in self._cancelled
            if (waiting := self._waiting.remove(number)) is not None
        ]
        news += [_unbegun(waiting, End.LATE, now) for waiting in self._waiting.remove_late(now)]
        for sequence in self._batch.all:
            if sequence.number in self._cancelled:
                sequence.end = End.CANCELLED
            elif sequence.until <= now:
                sequence.end = End.LATE
        self._cancelled.clear()
        return news + self._let_go()

    def _admit(self) -> list[News]:
        news: list[News] = []
        while self.running < self._decoder.cache.slots:
            waiting = self._waiting.take()
            if waiting is None:
                break
            tokens = self._tokenizer.encode(waiting.ask.prompt)
            if tokens:
                self._batch.entering.append(self._begin(waiting, tokens))
            else:
                # Nothing to go on from: there is no first token to be likely or unlikely.
                news.append(_unbegun(waiting, End.FINISHED, self._clock()))
        return news

    def _begin(self, waiting: Waiting[Generate], tokens: list[int]) -> _Sequence:
        ask = waiting.ask
        self._decoder.cache.clear(self.running)
        return _Sequence(
            number=waiting.number,
            until=waiting.until,
            waited_seconds=self._clock() - waiting.since,
            tokens_in=len(tokens),
            max_tokens=ask.max_tokens,
            sampler=Sampler(
                ask.sampling,
                vocabulary=self._decoder.shape.vocabulary,
                prompt=tokens,
            ),
            stream=TextStream(self._tokenizer, after=tokens),
            watch=StopWatch(ask.stop),
            entering=tokens[-self._decoder.shape.context :],
            history=tokens,
        )

    def _enter(self) -> list[News]:
        """Take pieces of prompts, as many as fit into PIECE tokens; whoever is in, speaks."""
        news: list[News] = []
        room = PIECE
        while self._batch.entering:
            sequence = self._batch.entering[0]
            piece = sequence.entering[:PIECE]
            if len(piece) > room:
                break
            room -= len(piece)
            slot = len(self._batch.speaking)
            logits = self._decoder.prefill(slot, np.array(piece))
            del sequence.entering[: len(piece)]
            if not sequence.entering:
                self._batch.speaking.append(self._batch.entering.pop(0))
                (token,) = choose([sequence.sampler], logits[None])
                news += self._hear(sequence, token)
        return news + self._let_go()

    def _speak(self) -> list[News]:
        self._turn_back_full()
        speaking = list(self._batch.speaking)
        if not speaking:
            return []
        tokens = np.array([sequence.entering[0] for sequence in speaking])
        logits = self._decoder.decode(tokens)
        chosen = choose([sequence.sampler for sequence in speaking], logits)
        news: list[News] = []
        for sequence, token in zip(speaking, chosen, strict=True):
            news += self._hear(sequence, token)
        return news + self._let_go()

    def _hear(self, sequence: _Sequence, token: int) -> list[News]:
        if token == NO_TOKEN:
            sequence.is_unsound = True
            return []
        sequence.said += 1
        sequence.history.append(token)
        sequence.entering = [token]
        if token in self._end_tokens:
            sequence.end = End.FINISHED
            return []
        text = sequence.watch.push(sequence.stream.push(token))
        if sequence.watch.has_stopped:
            sequence.end = End.FINISHED
        elif sequence.said >= sequence.max_tokens:
            sequence.end = End.LENGTH
        if not text:
            return []
        return [Piece(number=sequence.number, text=text, tokens=sequence.said)]

    def _turn_back_full(self) -> None:
        """Have the sequences whose context is full enter anew, with the last half of it."""
        context = self._decoder.shape.context
        lengths = self._decoder.cache.lengths
        for slot in reversed(range(len(self._batch.speaking))):
            if int(lengths[slot]) >= context:
                sequence = self._vacate(slot)
                sequence.entering = sequence.history[-max(1, context // 2) :]
                self._decoder.cache.clear(self.running)
                self._batch.entering.append(sequence)

    def _let_go(self) -> list[News]:
        """Free the slots of what has ended."""
        news: list[News] = []
        for slot in reversed(range(self.running)):
            sequence = self._batch.all[slot]
            if sequence.is_unsound:
                self._decoder.cache.wipe(slot)
                self._vacate(slot)
                news.append(Refused(number=sequence.number, error=UNSOUND))
            elif sequence.end is not None:
                news += _over(self._vacate(slot), sequence.end)
        return news

    def _vacate(self, slot: int) -> _Sequence:
        """Take a sequence out; a speaking one takes its place, and entering ones move up."""
        batch, cache = self._batch, self._decoder.cache
        gap, taken = slot, self.running
        if slot < len(batch.speaking):
            sequence, last = batch.speaking[slot], batch.speaking.pop()
            gap = len(batch.speaking)
            if gap != slot:
                cache.move(gap, slot)
                batch.speaking[slot] = last
        else:
            sequence = batch.entering.pop(slot - len(batch.speaking))
        for follower in range(gap + 1, taken):
            cache.move(follower, follower - 1)
        return sequence


def _over(sequence: _Sequence, end: End) -> list[News]:
    news: list[News] = []
    text = sequence.watch.push(sequence.stream.finish()) + sequence.watch.finish()
    if text:
        news.append(Piece(number=sequence.number, text=text, tokens=sequence.said))
    news.append(
        Ended(
            number=sequence.number,
            end=end,
            tokens_in=sequence.tokens_in,
            tokens_out=sequence.said,
            waited_seconds=sequence.waited_seconds,
        )
    )
    return news


def _unbegun(waiting: Waiting[Generate], end: End, now: float) -> Ended:
    return Ended(number=waiting.number, end=end, waited_seconds=now - waiting.since)

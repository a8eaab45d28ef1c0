"""What is asked of an engine, and what it answers: plain values, for this process or another.

Importing this needs no numpy, so that a process that only asks stays small.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, TypeAlias

from hive_inference.errors import RequestError

__all__ = [
    "ENDS",
    "Ask",
    "Embed",
    "Embedded",
    "End",
    "Ended",
    "Generate",
    "News",
    "Piece",
    "Refused",
    "Sampling",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen from the model's logits, in this order."""

    repetition_penalty: float = 1.0
    """Above 1, tokens that the sequence has already are made less likely."""

    temperature: float = 1.0
    """0 takes the likeliest token always; 1 is what the model says; more is wilder."""

    top_k: int | None = None
    """Only the so many likeliest tokens are possible."""

    top_p: float = 1.0
    """Only the likeliest tokens that together have this probability are possible."""

    seed: int = 0
    """From 0 to 2^64 - 1: the same seed and prompt give the same text."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            RequestError: a value is out of its range; the message names it.
        """
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise RequestError(f"temperature is {self.temperature}; it must be 0 or more")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise RequestError(
                f"repetition_penalty is {self.repetition_penalty}; it must be greater than 0"
            )
        if self.top_k is not None and self.top_k < 1:
            raise RequestError(f"top_k is {self.top_k}; it must be at least 1")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if not 0 <= self.seed < 2**64:
            raise RequestError(f"seed is {self.seed}; it must be from 0 to 2^64 - 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Continue a text."""

    model: str
    prompt: str
    """Of one that is longer than the model's context, the end counts."""

    max_tokens: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    """The text ends before the first of these that comes up."""

    priority: int = 0
    """Of those that wait, the highest goes first."""

    within_seconds: float | None = None
    """It ends after so long, counted from when it is asked, wherever it is then."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            RequestError: a value is out of its range; the message names it.
        """
        if self.max_tokens < 1:
            raise RequestError(f"max_tokens is {self.max_tokens}; it must be at least 1")
        if "" in self.stop:
            raise RequestError("an empty text in stop would end every text at once")
        for name, text in (("model", self.model), ("prompt", self.prompt)):
            _check_text(name, text)
        for text in self.stop:
            _check_text("a text in stop", text)
        _check_limit(self.within_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """Give each text a vector of length 1, such that texts of like meaning lie near each other."""

    model: str
    texts: tuple[str, ...]
    priority: int = 0
    within_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            RequestError: there is no text, one is none that UTF-8 can hold, or the limit is not
                above 0.
        """
        if not self.texts:
            raise RequestError("there is no text to embed")
        _check_text("model", self.model)
        for place, text in enumerate(self.texts, start=1):
            _check_text(f"text {place}", text)
        _check_limit(self.within_seconds)


@unique
class End(StrEnum):
    """Why a request ended."""

    FINISHED = "finished"
    """The model said so, or a stop text came up, or every text has its vector."""

    LENGTH = "length"
    """It has as many tokens as were asked for."""

    CANCELLED = "cancelled"
    """It was called off."""

    LATE = "late"
    """Its time was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """More of a text."""

    number: int
    text: str
    tokens: int
    """How many tokens the sequence has made so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vector of one text of a request."""

    number: int
    place: int
    """Which of the request's texts it is of, from 0."""

    vector: bytes
    """float32, native order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A request is over; nothing more comes of it."""

    number: int
    end: End
    tokens_in: int = 0
    tokens_out: int = 0
    waited_seconds: float = 0.0
    """From when it was asked until it was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A request cannot be served as it stands."""

    number: int
    error: str


Ask: TypeAlias = Generate | Embed
News: TypeAlias = Piece | Embedded | Ended | Refused

ENDS: Final = (Ended, Refused)
"""What a request's last news are. A tuple, since it is looked up for every token: a union that is
written where it is asked for is made anew each time."""


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{name} is not text: its character {error.start + 1} is half of a surrogate pair"
        ) from error


def _check_limit(within_seconds: float | None) -> None:
    if within_seconds is not None and not within_seconds > 0:
        raise RequestError(f"within_seconds is {within_seconds}; it must be greater than 0")

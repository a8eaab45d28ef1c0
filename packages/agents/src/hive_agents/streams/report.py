"""What an agent has said of itself so far, whatever way of speaking it has."""

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Complaint", "Question", "Quota", "Report"]


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota of the agent's provider is used up."""

    reason: str
    again_after: timedelta | None
    """When there is quota again, from the moment it was said; None if it was not said."""


@dataclass(frozen=True, slots=True)
class Question:
    """The agent cannot go on without an answer."""

    text: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why the agent says that it has not done what it should."""

    error: str
    budget: str | None = None
    """Which budget it has used up by its own count, `turns` or `usd`; None if it is no budget."""


@dataclass(slots=True, kw_only=True)
class Report:
    """Gathered line by line. What has not been said is None, and never 0."""

    session: str | None = None
    """By which the agent can be told to go on later."""

    text: str | None = None
    """The last that it has said; its result, once it is done."""

    is_done: bool = False
    """Whether it has given a result, good or bad: it should end now."""

    complaint: Complaint | None = None
    quota: Quota | None = None
    question: Question | None = None

    cost_usd: float | None = None
    input_tokens: int | None = None
    """Tokens that were read and paid in full."""

    cached_tokens: int | None = None
    """Tokens that were read from the provider's cache, once more for every turn."""

    output_tokens: int | None = None
    turns: int = 0
    """Answers of the model, as far as they can be told apart."""

    unreadable_lines: int = 0
    """Lines that were not what this way of speaking has."""

    @property
    def tokens(self) -> int | None:
        """Tokens read and written, without those from the cache; None if neither was said."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

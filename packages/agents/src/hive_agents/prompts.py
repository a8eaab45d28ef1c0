"""What an agent is told: its prompt, how to ask, and how to go on.

A session that goes on knows what it was told; a new one after an answer is told everything again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hive_agents.streams.report import Question

__all__ = ["MARK", "Answered", "Situation", "asked_in", "prompt_of"]

MARK: Final = "NEEDS ANSWER:"
"""What an agent that may ask begins the last line of its answer with."""

HOW_TO_ASK: Final = (
    "If you cannot go on without an answer from a person, stop, and end your reply with one line"
    f" that begins with {MARK} and has the question. Ask nothing that you can find out yourself."
)

GO_ON: Final = (
    "You were interrupted. Look at what you have done already, go on from there and finish it."
    " This was your task:"
)

SENT_BACK: Final = "Your work so far was looked at and sent back, with this comment:"

YES: Final = frozenset({"y", "yes", "allow", "allowed", "ok", "true"})


class Answered(NamedTuple):
    """A question that was asked, and what somebody answered."""

    question: str
    answer: str

    @property
    def is_yes(self) -> bool:
        """Whether it was allowed."""
        return self.answer.strip().lower() in YES


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where an agent stands when an attempt begins."""

    is_resumed: bool = False
    """Whether it goes on with the session of the attempt before."""

    knows_task: bool = False
    """Whether it goes on with any session, in which it was told the task."""

    has_asked: bool = False
    """Whether its last attempt ended with a question."""

    may_ask: bool = False
    comment: str | None = None
    """Why its work was sent back."""

    answered: Sequence[Answered] = ()
    """Its questions so far, with the answers."""


def prompt_of(task: str, at: Situation) -> str:
    """Return what an agent is told whose task has the prompt `task`."""
    if at.is_resumed:
        is_answer = at.has_asked and bool(at.answered)
        return at.answered[-1].answer if is_answer else f"{GO_ON}\n\n{task}"
    sent_back = [] if at.comment is None else [f"{SENT_BACK}\n{at.comment}"]
    told = sent_back if sent_back and at.knows_task else [task, *sent_back]
    if at.may_ask:
        told.append(HOW_TO_ASK)
    told += [f"You asked: {question}\nThe answer is: {answer}" for question, answer in at.answered]
    return "\n\n".join(told)


def asked_in(text: str | None) -> Question | None:
    """Return the question that an answer of an agent ends with; None if it ends with none."""
    lines = (text or "").strip().splitlines()
    last = lines[-1].strip(" *_`") if lines else ""
    question = last.removeprefix(MARK).strip(" *_`")
    return Question(question) if last.startswith(MARK) and question else None

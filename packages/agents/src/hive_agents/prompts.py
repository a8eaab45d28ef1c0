"""What an agent is told: its prompt, how to ask, and how to go on.

A session that goes on knows what it was told; a new one after an answer is told everything again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from hive_agents.streams.report import Question

__all__ = ["MARK", "Answered", "asked_in", "prompt_of"]

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

YES: Final = frozenset({"y", "yes", "allow", "allowed", "ok", "true"})


class Answered(NamedTuple):
    """A question that was asked, and what somebody answered."""

    question: str
    answer: str

    @property
    def is_yes(self) -> bool:
        """Whether it was allowed."""
        return self.answer.strip().lower() in YES


def prompt_of(
    task: str, *, is_resumed: bool, has_asked: bool, may_ask: bool, answered: Sequence[Answered]
) -> str:
    """Return what an attempt is told.

    Args:
        task: the prompt of the task.
        is_resumed: whether it goes on with its session.
        has_asked: whether its last attempt ended with a question.
        may_ask: whether it is to know how to ask.
        answered: its questions so far, with the answers.
    """
    if is_resumed:
        is_answer = has_asked and bool(answered)
        return answered[-1].answer if is_answer else f"{GO_ON}\n\n{task}"
    told = [task]
    if may_ask:
        told.append(HOW_TO_ASK)
    told += [f"You asked: {question}\nThe answer is: {answer}" for question, answer in answered]
    return "\n\n".join(told)


def asked_in(text: str | None) -> Question | None:
    """Return the question that an answer of an agent ends with; None if it ends with none."""
    lines = (text or "").strip().splitlines()
    last = lines[-1].strip(" *_`") if lines else ""
    question = last.removeprefix(MARK).strip(" *_`")
    return Question(question) if last.startswith(MARK) and question else None

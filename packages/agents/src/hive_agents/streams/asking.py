"""The words in which an agent is asked for that was not allowed to use a tool, written and read."""

import re
from typing import Final

from hive_agents.streams.report import Question

__all__ = ["asked_for", "tool_asked_for"]

_asked: Final = re.compile(
    # What begins with a dash would be an option of the program's.
    r"May it use ([^\s-]\S*).*\? Yes allows it all that \1 can do\.",
    re.DOTALL,
)


def asked_for(tool: str, shown: str) -> Question:
    """Return the question whether it may use a tool; `shown` says what on.

    Programs can be allowed a tool, and no single use of one: so the question says that.
    """
    text = f"May it use {tool}{shown}? Yes allows it all that {tool} can do."
    return Question(text, ("yes", "no"))


def tool_asked_for(question: str) -> str | None:
    """Return the tool that a question asks for; None if it asks for something else."""
    found = _asked.fullmatch(question)
    return None if found is None else found[1]

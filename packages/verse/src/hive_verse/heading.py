"""What stands above a text of the model: the words that it is to be about.

    =love time beauty
    (fourteen lines)
    =

In training the words were drawn from the lines below them, so that a prompt's words can be put in
their place. The same mark ends a text, as it begins the next one.
"""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["MARK", "MAX_WORDS", "content_words", "heading"]

MARK: Final = "="
"""Begins a heading; stands nowhere else."""

MAX_WORDS: Final = 4
"""More were never seen above a text."""

_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)*")

_EMPTY: Final = frozenset(
    """
    a about above after again against all although am an and any are art as at be because been
    before being below between both but by can can't cannot could did didst do does doesn't
    doing don't done dost doth down each else ere even ever every few for from had hadst has
    hast hath have having he hence her here hers herself him himself his how i i'll i'm if in
    into is isn't it it's its itself let like may me might mine more most much must my myself
    nay ne'er nor not nothing now o of off oft on once one only or other our out over own
    shall shalt shan't she should since so some still such than that that's the thee their
    them themselves then there therefore these they thine this those thou though through thus
    thy till to too under until up upon us very was we well were wert what what's when where
    wherefore which while who whom whose why will wilt with within without won't would ye yea
    yes yet you your yours yourself
    """.split()  # noqa: SIM905 - as text they are easier to read
)
"""Words that say nothing of what a text is about."""


def content_words(text: str) -> list[str]:
    """Return the words of `text` that say what it is about, lower-case, each once, in order."""
    found = _WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return [word for word in dict.fromkeys(found) if len(word) > 2 and word not in _EMPTY]  # noqa: PLR2004 - shorter ones are fragments


def heading(words: Iterable[str]) -> str:
    """Return the line that stands above a text about the first few of `words`."""
    return f"{MARK}{' '.join(list(words)[:MAX_WORDS])}\n"

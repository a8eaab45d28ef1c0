"""Labels: what a worker has that others have not, and what a task needs of its worker.

A task that needs labels waits in a line of its own: that of its queue and of just these labels.
Only workers that have all of them serve that line. The tasks of a queue that need nothing are a
line too, whose name is the queue's. To users a line is nothing: they see queues, and needs.
"""

import re
from collections.abc import Iterable
from typing import Final

__all__ = [
    "LABEL_IN_WORDS",
    "MOST_LABELS",
    "MOST_NEEDS",
    "is_label",
    "joined",
    "line_of",
    "needs_in",
    "needs_of",
    "place_of",
]

MOST_NEEDS: Final = 16
"""Most labels that a task may need."""

MOST_LABELS: Final = 64
"""Most labels that a worker may have."""

LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./=-]{0,62}")
LABEL_IN_WORDS: Final = (
    "1 to 63 letters of A to Z, digits and . _ - / =, of which the first is a letter or a digit"
)

BETWEEN: Final = "\0"
"""Parts needs from the queue in the name of a line: Postgres has it in no name of a queue."""


def is_label(text: str) -> bool:
    """Return whether `text` can be a label."""
    return LABEL.fullmatch(text) is not None


def joined(labels: Iterable[str]) -> str:
    """Return labels as the store keeps what a task needs: each once, in order, with commas."""
    return ",".join(sorted(set(labels)))


def needs_in(text: str) -> tuple[str, ...]:
    """Return the labels of which `joined` made `text`."""
    return tuple(text.split(",")) if text else ()


def line_of(queue: str, needs: str) -> str:
    """Return the name of the line in which tasks of `queue` wait that need `needs`, joined."""
    return f"{needs}{BETWEEN}{queue}" if needs else queue


def needs_of(line: str) -> tuple[str, ...]:
    """Return what the tasks of a line need."""
    return needs_in(place_of(line)[1])


def place_of(line: str) -> tuple[str, str]:
    """Return the queue of a line and, joined, what its tasks need."""
    needs, between, queue = line.partition(BETWEEN)
    return (queue, needs) if between else (line, "")

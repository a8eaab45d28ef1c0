"""Labels and slots: what a worker has that others have not, and what a task needs of its worker.

A task that needs labels, or several slots, waits in a line of its own: that of its queue, of just
these labels and of so many slots. Only workers that have all of it serve that line, and all tasks
in a line weigh the same. The tasks of a queue that need nothing are a line too, whose name is the
queue's. To users a line is nothing: they see queues, and needs.

As text, slots stand before the labels, written as no label can be: `slots:2,gpu,zone=eu`.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

__all__ = [
    "LABEL_IN_WORDS",
    "MOST_LABELS",
    "MOST_NEEDS",
    "MOST_SLOTS",
    "is_label",
    "joined",
    "line_of",
    "needs_in",
    "place_of",
    "slots_in",
    "slots_of",
]

MOST_NEEDS: Final = 16
"""Most labels that a task may need."""

MOST_LABELS: Final = 64
"""Most labels that a worker may have."""

MOST_SLOTS: Final = 1000
"""Most slots that a task may take."""

LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./=-]{0,62}")
LABEL_IN_WORDS: Final = (
    "1 to 63 letters of A to Z, digits and . _ - / =, of which the first is a letter or a digit"
)

SLOTS: Final = re.compile(r"^slots:([0-9]+),?")
"""How needs begin that are for more than one slot."""

BETWEEN: Final = "\0"
"""Parts needs from the queue in the name of a line: Postgres has it in no name of a queue."""


def is_label(text: str) -> bool:
    """Return whether `text` can be a label."""
    return LABEL.fullmatch(text) is not None


def joined(labels: Iterable[str], slots: int = 1) -> str:
    """Return as the store keeps it what a task needs: slots if several, each label once, in order.

    Args:
        labels: in any order.
        slots: how many slots the task takes, at least 1.
    """
    needs = sorted(set(labels))
    return ",".join([f"slots:{slots}", *needs] if slots > 1 else needs)


def needs_in(text: str) -> tuple[str, ...]:
    """Return the labels of which `joined` made `text`."""
    labels = SLOTS.sub("", text, count=1)
    return tuple(labels.split(",")) if labels else ()


def slots_in(text: str) -> int:
    """Return the slots of which `joined` made `text`."""
    found = SLOTS.match(text)
    return 1 if found is None else int(found[1])


def line_of(queue: str, needs: str) -> str:
    """Return the name of the line in which tasks of `queue` wait that need `needs`, joined."""
    return f"{needs}{BETWEEN}{queue}" if needs else queue


@lru_cache
def slots_of(line: str) -> int:
    """Return how many slots each task of a line takes."""
    # Remembered, as it is asked for each lease, and there are few lines: 0.05 µs, and not 0.5.
    return slots_in(place_of(line)[1])


def place_of(line: str) -> tuple[str, str]:
    """Return the queue of a line and, joined, what its tasks need."""
    needs, between, queue = line.partition(BETWEEN)
    return (queue, needs) if between else (line, "")

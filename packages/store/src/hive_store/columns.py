"""Columns of a batch on their way into a statement: what is alike is sent once, nulls not at all.

To compare takes 0.01 µs a value, to send one and unnest it 0.3; and most batches are of one kind.
The `unnest` pads a shorter column with nulls, and `coalesce` takes the one value for all.
"""

from typing import TypeVar

__all__ = ["none_if_null", "one_if_alike"]

T = TypeVar("T")


def one_if_alike(values: list[T]) -> list[T]:
    """Return the first of the values alone if all are equal to it; none is null."""
    return values[:1] if values.count(values[0]) == len(values) else values


def none_if_null(values: list[T | None]) -> list[T | None]:
    """Return no values if all are null."""
    return [] if values.count(None) == len(values) else values

"""Tables that fit into a terminal of 80 columns: numbers to the right, long texts cut."""

from collections.abc import Sequence
from typing import Final

__all__ = ["COLUMNS", "cut", "fit", "table_lines"]

COLUMNS: Final = 80


def cut(line: str, width: int) -> str:
    """Return `line`, cut to `width` characters."""
    return line if len(line) <= width else f"{line[: max(0, width - 1)]}…"


def fit(text: str, width: int) -> str:
    """Return `text` on one line of at most `width` characters, its white space drawn together."""
    return cut(" ".join(text.split()), width)


def table_lines(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1, gap: int = 2
) -> list[str]:
    """Return the lines of a table; the first column is cut if the whole would be too wide.

    Args:
        heads: the names of the columns.
        rows: the cells.
        texts: how many columns hold text; those after them hold numbers.
        gap: blanks between two columns.
    """
    lines = [[head.upper() for head in heads], *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    others = sum(widths[1:]) + gap * (len(heads) - 1)
    widths[0] = min(widths[0], max(len(heads[0]), COLUMNS - others))
    return [
        (" " * gap)
        .join(
            fit(cell, width).ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        .rstrip()
        for line in lines
    ]

"""Tables for a terminal of 80 columns: numbers to the right, long texts cut or folded.

Off a terminal nothing is cut: in a file or a pipe the end of a text may be what is looked for.
"""

import os
import sys
import textwrap
from collections.abc import Collection, Sequence
from itertools import zip_longest
from typing import Final

from hive_process.screen_text import one_line

__all__ = ["COLUMNS", "columns", "cut", "fit", "folded_lines", "narrowed_lines", "table_lines"]

COLUMNS: Final = 80
"""Of a terminal, as far as lines are made for it."""

UNBOUNDED: Final = 1 << 30


def columns() -> int:
    """Return how wide a line of standard output may be; without a terminal what `COLUMNS` says."""
    if sys.stdout.isatty():
        return COLUMNS
    wanted = os.environ.get("COLUMNS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else UNBOUNDED


def cut(line: str, width: int) -> str:
    """Return `line`, cut to `width` characters."""
    return line if len(line) <= width else f"{line[: max(0, width - 1)]}…"


def fit(text: str, width: int) -> str:
    """Return `text` as one line of at most `width` characters."""
    return cut(one_line(text), width)


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
    widths[0] = min(widths[0], max(len(heads[0]), columns() - others))
    return [
        (" " * gap)
        .join(
            fit(cell, width).ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        .rstrip()
        for line in lines
    ]


def folded_lines(heads: Sequence[str], rows: Sequence[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Return the lines of a table of texts; the widest columns go on below, and nothing is cut."""
    lines = [[head.upper() for head in heads], *map(list, rows)]
    natural = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    widths = _narrowed(natural, columns() - gap * (len(heads) - 1))
    return [
        (" " * gap).join(map(str.ljust, parts, widths)).rstrip()
        for line in lines
        for parts in zip_longest(*map(_folded, line, widths), fillvalue="")
    ]


def narrowed_lines(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    texts: Collection[str],
    numbers: Collection[str],
) -> list[str]:
    """Return the lines of a table whose columns have one blank between them.

    Args:
        heads: the names of the columns.
        rows: the cells.
        texts: the columns that are cut if the whole would be too wide, the widest first.
        numbers: the columns that are set to the right.
    """
    lines = [[head.upper() for head in heads], *([one_line(c) for c in r] for r in rows)]
    natural = {h: max(len(line[i]) for line in lines) for i, h in enumerate(heads)}
    taken = sum(width for head, width in natural.items() if head not in texts)
    room = columns() - (len(heads) - 1) - taken
    flexible = [head for head in heads if head in texts]
    narrowed = _narrowed([natural[head] for head in flexible], room)
    widths = natural | dict(zip(flexible, narrowed, strict=True))
    return [
        " ".join(
            cell.rjust(widths[head])
            if head in numbers
            else cut(cell, widths[head]).ljust(widths[head])
            for head, cell in zip(heads, line, strict=True)
        ).rstrip()
        for line in lines
    ]


def _folded(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width, break_on_hyphens=False)


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Return `widths`, the widest made narrower until all have room."""
    narrowed = list(widths)
    while sum(narrowed) > room:
        narrowed[narrowed.index(max(narrowed))] -= 1
    return narrowed

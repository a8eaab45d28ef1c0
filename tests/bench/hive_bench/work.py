"""Three kinds of work, which gain by running beside one another in three ways.

waiting   what an agent does most of the time: 0.2 to 2 s of it, evenly spread
real      a git worktree of its own, its sources compiled, its tests run, the worktree removed
reckoning nothing but arithmetic, some 0.3 s of it
"""

import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["WORK", "Work", "prepared"]

MODULES: Final = 30
LEAST_SECONDS: Final = 0.2
MOST_SECONDS: Final = 2.0
RECKON: Final = "print(sum(i * i for i in range(4_000_000)))"

MODULE: Final = """\
def add(one, other):
    return one + other


class Shelf:
    def __init__(self):
        self.books = {}

    def put(self, name, pages):
        self.books[name] = add(self.books.get(name, 0), pages)
"""

TEST: Final = """\
import unittest
from shelf.part{number} import Shelf


class TestShelf(unittest.TestCase):
    def test_pages_add_up(self):
        shelf = Shelf()
        for pages in range(1000):
            shelf.put("a", pages)
        self.assertEqual(shelf.books["a"], 499500)
"""

SCRIPT: Final = """\
set -e
flock "$1/lock" git -C "$1/repository" worktree add --quiet --detach "$1/tree-$2"
cd "$1/tree-$2"
"$3" -m compileall -q -f shelf
"$3" -m unittest discover -q -s tests -t . 2>&1
flock "$1/lock" git -C "$1/repository" worktree remove --force "$1/tree-$2"
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work."""

    name: str
    says: str
    """What it is, in words."""

    commands: Callable[[Path, int], Sequence[Sequence[str]]]
    """Given where it has been prepared and how many: the command lines."""


@contextmanager
def prepared(folder: Path) -> Generator[Path]:
    """Give a directory with a repository in it, whose worktrees tasks may make beside it."""
    place = folder / "work"
    repository = place / "repository"
    for name in ("shelf", "tests"):
        (repository / name).mkdir(parents=True, exist_ok=True)
        (repository / name / "__init__.py").touch()
    for number in range(MODULES):
        (repository / "shelf" / f"part{number}.py").write_text(MODULE)
        (repository / "tests" / f"test_part{number}.py").write_text(TEST.format(number=number))
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", "-C", str(repository), *words], check=True, capture_output=True)
    yield place


def _waiting(_: Path, count: int) -> list[list[str]]:
    step = (MOST_SECONDS - LEAST_SECONDS) / max(count - 1, 1)
    # The longest first: at the end nothing long is left alone.
    lengths = [MOST_SECONDS - number * step for number in range(count)]
    return [["sleep", f"{length:.3f}"] for length in lengths]


def _real(place: Path, count: int) -> list[list[str]]:
    return [
        ["/bin/sh", "-c", SCRIPT, "work", str(place), str(number), sys.executable]
        for number in range(count)
    ]


def _reckoning(_: Path, count: int) -> list[list[str]]:
    return [[sys.executable, "-ISc", RECKON]] * count


WORK: Final = (
    Work("waiting", "waiting of 0.2 to 2 s", _waiting),
    Work("real", "worktree, compile and test of a small package", _real),
    Work("reckoning", "arithmetic alone", _reckoning),
)

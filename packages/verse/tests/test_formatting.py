"""Lines are thrown out by rules, and none is ever put in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import lines

from hive_verse.formatting import LINES, Draft, SonnetFormatter

FORMATTER = SonnetFormatter()
RAW_LINES = st.one_of(
    st.sampled_from(
        [*lines(16), "ROMEO:", "First Citizen: Speak!", "Love: no", "[Exeunt]", "(aside)", "", "a",
         "and lower-case", "Thou art: the moon that wanes too soon", "'Tis so", "  Indented line"]
    ),
    st.text(max_size=40),
)  # fmt: skip
RAW = st.lists(RAW_LINES, max_size=40).map("\n".join)


class Heard:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.text = ""
        self.struck: list[str] = []

    def hear(self, text: str) -> None:
        self.text += text

    def strike(self, line: str) -> None:
        self.struck.append(line)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("  Shall I go on?  ", "Shall I go on?"),
        ("KING RICHARD: Now is the time", "Now is the time"),
        ("First Citizen: 'Tis the time", "'Tis the time"),
        ("First Citizen: no upper case", None),
        ("First Citizen: A", None),
        ("ROMEO:", None),
        ("ROMEO. I am here", None),
        ("Romeo is a name in verse too", "Romeo is a name in verse too"),
        ("[Exeunt all but him]", None),
        ("(aside) So it goes", None),
        ("and so it goes", None),
        ("Ay", None),
        ("", None),
        ("Thou art: a moon that wanes too soon", None),
        ("A moon that wanes too soon thou art: alas", "A moon that wanes too soon thou art: alas"),
    ],
)
def test_a_line_by_the_rules(line: str, kept: str | None):
    assert FORMATTER.clean(line) == kept


@given(RAW)
def test_a_sonnet_has_fourteen_clean_lines_in_the_order_they_came_or_is_none(raw: str):
    sonnet = FORMATTER.format_sonnet(raw)
    if sonnet is None:
        assert len(FORMATTER.lines(raw)) < LINES
        return
    made = sonnet.split("\n")
    assert FORMATTER.is_clean(made)
    came = iter(raw.split("\n"))
    assert all(any(line in one for one in came) for line in made)


@given(RAW)
def test_formatting_again_changes_nothing(raw: str):
    kept = FORMATTER.lines(raw)
    assert FORMATTER.lines("\n".join(kept)) == kept


@given(RAW, st.integers(1, 9))
def test_a_draft_keeps_the_same_lines_however_they_come(raw: str, size: int):
    draft = Draft(FORMATTER, listener := Heard())
    for at in range(0, len(raw), size):
        draft.push(raw[at : at + size])
    draft.close_line()
    assert draft.lines == FORMATTER.lines(raw)
    assert len(listener.text) <= len(raw) + 1


def test_a_line_that_was_there_before_is_dropped_whatever_its_marks():
    assert FORMATTER.lines("The sea is old,\nThe sea is old!\nThe moon is old.") == [
        "The sea is old,",
        "The moon is old.",
    ]


def test_a_draft_tells_which_line_it_struck():
    draft = Draft(FORMATTER, listener := Heard())
    draft.push("The sea is old\nand low\nThe moon")
    assert draft.lines == ["The sea is old"]
    assert listener.struck == ["and low\n"]
    assert listener.text == "The sea is old\nand low\nThe moon"


def test_a_full_draft_takes_no_more():
    draft = Draft(FORMATTER)
    draft.push("\n".join(lines(20)) + "\n")
    assert draft.lines == lines(14)


def test_a_sonnet_is_metrical_by_its_mean():
    assert FORMATTER.is_metrical(["The silver moon remembers all the sea"] * 14)
    assert not FORMATTER.is_metrical(["The moon"] * 14)

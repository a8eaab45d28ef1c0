"""Labels: which texts are some, and how lines are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.labels import is_label, joined, line_of, needs_in, needs_of, place_of

LABELS = st.sampled_from(["gpu", "zone=eu", "node/17", "9", "A-b_c.d", "x" * 63])
QUEUES = st.text("aZ,=\n é[]:", min_size=1, max_size=20)


@pytest.mark.parametrize("text", ["gpu", "zone=eu", "node/17", "9", "A-b_c.d", "x" * 63])
def test_these_are_labels(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize("text", ["", " ", "g pu", "a,b", "=eu", "-x", "ü", "x" * 64, "gpu\n"])
def test_these_are_not(text: str) -> None:
    assert not is_label(text)


@given(QUEUES, st.sets(LABELS, max_size=4))
def test_a_line_tells_its_queue_and_its_needs(queue: str, needs: set[str]) -> None:
    line = line_of(queue, joined(needs))
    assert place_of(line) == (queue, joined(needs))
    assert set(needs_of(line)) == needs


@given(QUEUES, QUEUES, st.sets(LABELS, min_size=1, max_size=4))
def test_no_queue_has_the_name_of_a_line_with_needs(
    queue: str, other: str, needs: set[str]
) -> None:
    assert line_of(queue, joined(needs)) != other


def test_the_same_needs_are_the_same_text_in_any_order() -> None:
    assert joined(["zone=eu", "gpu", "gpu"]) == joined(("gpu", "zone=eu")) == "gpu,zone=eu"
    assert needs_in("") == ()

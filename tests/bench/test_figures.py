"""What is said of samples, and when a figure reaches what it has to."""

import pytest

from hive_bench.figures import Spread, Verdict, short
from hive_bench.rows.profile import own_time
from hive_bench.svg import bars


def verdict(*medians: float, reach: tuple[float | None, ...], less: bool = False) -> Verdict:
    return Verdict(
        name="row",
        says="what",
        samples=tuple((median,) for median in medians),
        reach=reach,
        is_less_better=less,
    )


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (verdict(0.7, reach=(0.65,)), "row 0.7 0.65 ok"),
        (verdict(0.6, reach=(0.65,)), "row 0.6 0.65 short"),
        (verdict(39, reach=(40,), less=True), "row 39 40 ok"),
        (verdict(41, reach=(40,), less=True), "row 41 40 short"),
        (verdict(50, 61, reach=(60, 60), less=True), "row 50/61 60/60 short"),
        (verdict(50, 59, reach=(60, 60), less=True), "row 50/59 60/60 ok"),
        (verdict(1.23456, reach=(None,)), "row 1.23 - ok"),
    ],
)
def test_a_row_is_ok_if_every_one_of_its_figures_reaches(found: Verdict, line: str) -> None:
    assert found.line() == line


def test_a_row_that_could_not_be_measured_says_missing_and_no_figure() -> None:
    absent = Verdict(name="row", says="what", reach=(18.0,), why_missing="there is no npm")
    assert absent.line() == "row - 18 missing"


def test_the_median_of_the_rounds_decides_and_not_the_best_of_them() -> None:
    rounds = Verdict(name="row", says="what", samples=((1.0, 2.0, 9.0),), reach=(3.0,))
    assert rounds.state == "short"
    assert str(rounds.spreads[0]) == "1 / 2 / 9"


@pytest.mark.parametrize(
    ("value", "text"), [(60_738.4, "60,738"), (438.7, "439"), (12.34, "12.3"), (0.4567, "0.457")]
)
def test_figures_have_three_digits_or_so(value: float, text: str) -> None:
    assert short(value) == text


def test_own_time_is_that_of_the_last_function_of_each_stack_unless_it_waits() -> None:
    raw = "main (a.py:1);work (a.py:5) 30\nmain (a.py:1) 10\nother (b.py:2);work (a.py:5) 60\n"
    raw += "serve (c.py:1);select (selectors.py:402) 500\n"
    assert own_time(raw) == {"work (a.py:5)": 0.9, "main (a.py:1)": 0.1}


def test_a_bar_is_as_long_as_its_median() -> None:
    drawn = bars("Rates", {"Hive": Spread(1, 2, 4), "other": Spread(1, 1, 1)})
    lengths = [float(part.split('"')[1]) for part in drawn.split("width=")[1:] if '"' in part[:2]]
    hive, other = (length for length in lengths if length > 2)
    assert hive == 2 * other

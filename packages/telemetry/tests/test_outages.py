from itertools import pairwise

import pytest
import structlog

from hive_telemetry.outages import MOST_REASONS, Outages
from hive_testkit.clocks import ManualClock


def told(outages: Outages, method: str = "warning", **fields: str) -> dict[str, object] | None:
    try:
        return dict(outages(None, method, {"event": "something is away", **fields}))
    except structlog.DropEvent:
        return None


def test_an_outage_that_several_loops_meet_is_told_once() -> None:
    outages = Outages(ManualClock())
    assert told(outages, loop="reap", error="refused") is not None
    assert told(outages, loop="sweep", error="refused") is None
    assert told(outages, loop="sweep", error="another reason") is not None


def test_while_it_lasts_it_is_told_again_ever_more_rarely_with_how_often_it_was_met() -> None:
    clock = ManualClock()
    outages = Outages(clock)
    told(outages, error="refused")
    moments: list[float] = []
    counts: list[object] = []
    for _ in range(100):
        clock.pass_seconds(1)
        line = told(outages, error="refused")
        if line is not None:
            moments.append(clock.seconds())
            counts.append(line["met_since"])
    assert [after - before for before, after in pairwise(moments)] == [10, 20, 40]
    assert counts == [5, 10, 20, 40]


def test_its_end_is_told_once_and_a_new_one_is_news() -> None:
    outages = Outages(ManualClock())
    told(outages, error="refused")
    assert told(outages, "info", over="refused") == {"event": "something is away"}
    assert told(outages, "info", over="refused") is None
    assert told(outages, error="refused") is not None


@pytest.mark.parametrize("method", ["info", "error"])
def test_what_is_no_warning_with_a_reason_is_always_told(method: str) -> None:
    outages = Outages(ManualClock())
    assert [told(outages, method, error="x") is not None for _ in range(3)] == [True] * 3
    assert [told(outages) is not None for _ in range(3)] == [True] * 3


def test_reasons_that_never_come_again_do_not_pile_up() -> None:
    outages = Outages(ManualClock())
    for number in range(2 * MOST_REASONS):
        assert told(outages, error=f"port {number} refused") is not None
    assert told(outages, error="port 0 refused") is not None

"""A small fleet keeps every claim, and a claim that is not kept is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hive_chaos.history import Asked, History, Row, Run
from hive_fleet.claims import counts_of, starts_after_signal
from hive_fleet.load import SORTS, deal
from hive_fleet.run import Storm

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc and makes namespaces"),
]


def test_a_fleet_keeps_what_hive_claims() -> None:
    path = os.pathsep.join((str(HERE), str(HERE.parent / "chaos")))
    done = subprocess.run(
        [sys.executable, "-m", "hive_fleet", "--tasks", "24", "--seed", "3"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1] == "lost 0 twice 0 overlaps 0 left 0 broken 0"
    assert done.stdout.count("kept") >= 8


def test_every_sort_is_dealt_and_the_same_seed_deals_the_same() -> None:
    dealt = deal(24, 3)
    assert {sort.name for sort in dealt} == SORTS.keys()
    assert deal(24, 3) == dealt != deal(24, 4)


def test_who_begins_after_the_first_signal_of_a_storm_is_counted() -> None:
    storm = Storm(begun_at=10.0, ended_at=20.0, held=100)
    # One of an earlier storm, and two of this one; who began before had not heard.
    signals = [3.0, 12.5, 12.0]
    begins = [4.0, 11.0, 12.1, 12.6, 19.9, 20.1]
    assert starts_after_signal(storm, signals, begins) == 3
    assert starts_after_signal(storm, [3.0], begins) is None


def test_what_contradicts_a_claim_is_counted() -> None:
    asked = {number: Asked(number=number) for number in (1, 2, 3)}
    rows = [
        Row(task_id=1, number=1, state="succeeded", ends=("succeeded", "failed")),
        Row(task_id=2, number=2, state="running"),
        Row(task_id=3, number=3, state="succeeded", ends=("succeeded",)),
    ]
    runs = [
        Run(number=1, begun_at=1.0, seen_at=2.0),
        Run(number=3, begun_at=1.0, seen_at=3.0),
        Run(number=3, begun_at=2.0, seen_at=4.0),
    ]
    counts = counts_of(History(asked=asked, runs=runs, rows=rows))
    assert counts == {"lost": 1, "twice": 1, "overlaps": 1}

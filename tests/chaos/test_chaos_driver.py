"""A short chaos run keeps every promise; a fault planted in Hive is found and named."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path

import pytest

from hive_chaos.faults import FAULTS
from hive_chaos.load import SORTS, Order, Work
from hive_chaos.members import Exit
from hive_chaos.plan import Strike, strikes
from hive_chaos.run import AFTERWARDS_SECONDS, Struck, longest_pause
from hive_contracts.ids import TaskId

HERE = Path(__file__).parent
LONGEST_SECONDS = 300
SECONDS = 24
SEED = 5
MOST_TRIES = 5

GARDENS = {
    "crash-postgres": ("hopeless,called_off,limited,ticks", "12", "12"),
    "kill-worker": ("nap,long", "10", "12"),
    "freeze-worker-for-long": ("nap,long", "5", "20"),
}
"""By the fault that strikes, the sorts of tasks, how many a second, and for how many seconds.

So few that slots are free for what a frozen worker has lost.
"""

PLANTED = {
    "early-child": ("crash-postgres", "dependencies"),
    "no-limit": ("crash-postgres", "limits"),
    "missed-ticks": ("crash-postgres", "ticks"),
    "told-early": ("crash-postgres", "untrue hints"),
    "forgotten-permit": ("crash-postgres", "leaks"),
    "no-line": ("kill-worker", "order"),
    "forgotten-tasks": ("kill-worker", "lost"),
    "no-fence": ("freeze-worker-for-long", "twice"),
    "endless-proof": ("freeze-worker-for-long", "at once"),
}
"""The garden that a fault is planted in, and the promise that must be found broken.

In one garden no fault breaks the promise that another must be found by.
"""

pytestmark = [
    pytest.mark.timeout(5 * LONGEST_SECONDS),
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc and makes namespaces"),
]


def chaos(*words: str) -> "subprocess.CompletedProcess[str]":
    with subprocess.Popen(
        [sys.executable, "-m", "hive_chaos", *words],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, said = process.communicate(timeout=LONGEST_SECONDS)
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
    return subprocess.CompletedProcess(words, process.returncode, printed, said)


def test_a_short_run_of_every_fault_that_there_is_time_for_breaks_no_promise(
    tmp_path: Path,
) -> None:
    done = chaos(
        *("--seconds", str(SECONDS), "--seed", str(SEED), "--out", str(tmp_path)),
        *("--tasks", str(SECONDS * 60)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == "lost 0 twice 0 overlaps 0 order 0 left 0 leaked 0"
    page = (tmp_path / "reliability.md").read_text()
    assert "$" not in page
    assert f"| {SEED} | " in page
    assert last in page


def planted(fault: str) -> "subprocess.CompletedProcess[str]":
    """Return the first run that finds all; a worker must be struck while it holds something."""
    sorts, tasks_a_second, seconds = GARDENS[fault]
    plants = {plant: promise for plant, (garden, promise) in PLANTED.items() if garden == fault}
    words = ("--plant", ",".join(plants), "--faults", fault, "--sorts", sorts)
    words += ("--seconds", seconds, "--tasks", str(int(seconds) * int(tasks_a_second)))
    done = None
    for seed in range(SEED, SEED + MOST_TRIES):
        done = chaos(*words, "--patience", "10", "--seed", str(seed))
        if all(names(done, promise) for promise in plants.values()):
            break
    assert done is not None
    return done


def names(done: "subprocess.CompletedProcess[str]", promise: str) -> bool:
    return any(line.startswith(f"{promise}: ") for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def planted_runs() -> dict[str, "subprocess.CompletedProcess[str]"]:
    """A run of each garden, side by side: mostly they wait."""
    with ThreadPoolExecutor(len(GARDENS)) as threads:
        return dict(zip(GARDENS, threads.map(planted, GARDENS), strict=True))


@pytest.mark.parametrize("plant", PLANTED)
def test_a_fault_planted_in_the_code_of_hive_is_found_and_named(
    planted_runs: dict[str, "subprocess.CompletedProcess[str]"], plant: str
) -> None:
    garden, promise = PLANTED[plant]
    done = planted_runs[garden]
    assert done.returncode == 1, done.stdout + done.stderr
    assert names(done, promise), done.stdout + done.stderr


def plan(seed: int, count: int) -> list[Strike]:
    faults = {name: fault.seconds for name, fault in FAULTS.items()}
    return list(islice(strikes(seed, faults=faults), count))


def test_a_seed_decides_which_fault_strikes_when_for_how_long_and_whom() -> None:
    assert plan(1, 100) == plan(1, 100)
    assert plan(1, 100) != plan(2, 100)


def test_each_fault_comes_once_before_any_comes_again() -> None:
    found = plan(1, 2 * len(FAULTS))
    for deck in (found[: len(FAULTS)], found[len(FAULTS) :]):
        assert {strike.fault for strike in deck} == FAULTS.keys()
    assert all(later.at_seconds > earlier.at_seconds for earlier, later in pairwise(found))


def orders(seed: int) -> list[Order]:
    work = Work(seed, witnesses=Path("witnesses"), mark="m")
    return [order for _ in range(50) for order in work.orders(100)]


def test_a_seed_decides_what_is_submitted_and_some_of_it_comes_after_what_was_before() -> None:
    found = orders(1)
    assert [each.asked for each in found] == [each.asked for each in orders(1)]
    assert [each.asked for each in found] != [each.asked for each in orders(2)]
    assert any(each.asked.after for each in found)
    assert any(each.asked.behind for each in found)
    ids = {each.asked.number: TaskId(1000 + each.asked.number) for each in found}
    for each in found:
        earlier = (*each.asked.after, *each.asked.behind)
        assert all(number < each.asked.number for number in earlier)
        assert [*each.with_ids(ids).task.after] == [1000 + number for number in earlier]


def test_what_comes_after_what_nobody_acknowledged_is_free() -> None:
    for order in (each for each in orders(1) if each.asked.after or each.asked.behind):
        free = order.with_ids({})
        assert not free.task.after
        assert not free.asked.after
        assert not free.asked.behind
        assert free.task.if_parent_fails == "cancel"
        assert free.asked.may_end_as >= {"succeeded"}


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (-9, "anything", "w: SIGKILL"),
        (0, "anything", "w: exit code 0"),
        (1, "hive: no guardian", "w: exit code 1: hive: no guardian"),
        (1, "unshare: sigprocmask unblock failed", "w: a signal, in its own process ids"),
    ],
)
def test_how_a_process_ended_is_told_with_its_last_words(code: int, said: str, told: str) -> None:
    assert str(Exit("w", code, said)) == told


def test_a_faults_pause_is_the_longest_time_without_an_end_while_it_could_be_felt() -> None:
    struck = Struck(fault="flush-redis", at=10.0, lifted_at=12.0)
    felt_until = struck.lifted_at + AFTERWARDS_SECONDS
    assert longest_pause(struck, [1.0, 9.0, 10.5, 13.5, 14.0, felt_until, 99.0]) == max(
        3.0, 99.0 - felt_until, felt_until - 14.0
    )
    assert longest_pause(struck, [1.0, 10.5, 14.0, felt_until + 1.0, 99.0]) == max(
        3.5, felt_until + 1.0 - 14.0
    )
    assert longest_pause(struck, [1.0, 9.0]) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--faults", "rain"), "there is no 'rain'; there are kill-worker, "),
        (("--plant", "none"), "there is no 'none'; there are no-fence, "),
        (("--sorts", "odd"), f"there is no 'odd'; there are {', '.join(SORTS)}"),
        (("--seconds", "0"), "a run lasts more than 0 seconds, not 0"),
    ],
)
def test_what_a_run_cannot_be_is_refused_with_what_it_can(
    words: Sequence[str], message: str
) -> None:
    done = chaos(*words)
    assert done.returncode == 2
    assert message in done.stderr

"""`hive queue`, `hive limit`, `hive audit`: what holds, what stands still, and who did it."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from hive.rates import read_rate, show_rate
from hive_contracts.errors import ConfigurationError
from hive_testkit.desk import Desk

PAGE: Final = (Path(__file__).parents[3] / "docs" / "queues.md").read_text(encoding="utf-8")


def test_the_examples_of_the_page_run_as_they_stand(desk: Desk) -> None:
    desk.submit(30, kind="resize")
    typed = re.findall(r"^\$ hive (.*)$", PAGE, re.MULTILINE)
    assert len(typed) > 10
    for line in typed:
        done = desk(*shlex.split(line))
        assert done.returncode == 0, (line, done.stderr)
    [statements] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    for each in statements.strip().split(";\n"):
        desk.sql(each.rstrip(";"))


def test_a_paused_queue_says_who_and_why_wherever_one_looks(desk: Desk) -> None:
    [task_id] = desk.submit()
    paused = desk(
        "queue", "pause", "default", "--reason", "a new model", "--set", "audit.actor=ada"
    )
    assert paused.stderr == "hive: queue default is paused; 0 of its tasks are still with workers\n"
    shown = desk("show", str(task_id)).stdout
    assert "its queue is paused since" in shown
    assert "by ada (a new model)" in " ".join(shown.split())
    assert "queue default is paused since" in desk("status").stdout
    [listed] = json.loads(desk("queue", "list", "--json").stdout)
    assert (listed["name"], listed["queued"], listed["paused"]["by"]) == ("default", 1, "ada")
    assert "default paused" in desk("queue", "list").stdout
    assert desk("queue", "pause", "default").stderr.startswith(
        "hive: queue default was paused already"
    )
    assert desk("queue", "resume", "default").returncode == 0
    assert "paused" not in desk("status").stdout
    again = desk("queue", "resume", "default")
    assert (again.returncode, again.stderr) == (
        2,
        "hive: queue default is not paused; `hive queue list` shows which are\n",
    )


def test_drain_waits_until_nobody_has_a_task_of_the_queue(desk: Desk) -> None:
    desk.do(lambda ground: ground.bundle(2))
    held = desk("queue", "drain", "default", "--within", "0.1")
    assert held.returncode == 1
    assert held.stderr == (
        "hive: queue default is paused, but 2 tasks of it are still with workers\n"
    )
    desk.sql("update hive.task set state = 'queued', lease_id = null")
    desk.sql("delete from hive.lease")
    drained = desk("queue", "drain", "default")
    assert drained.returncode == 0
    assert "is drained and stays paused" in drained.stderr


def test_tasks_are_moved_by_id_and_by_filter(desk: Desk) -> None:
    first, second = desk.submit(2)
    desk.submit(3, kind="call", group="night")
    assert desk("queue", "move", str(first), "--to", "slow").returncode == 0
    assert "queue     slow" in desk("show", str(first)).stdout
    moved = desk("queue", "move", "--group", "night", "--to", "slow", "--json")
    assert json.loads(moved.stdout) == {"moved": 3, "left": []}
    desk.sql("update hive.task set state = 'cancelled', finished_at = now() where id = $1", second)
    refused = desk("queue", "move", str(second), "--to", "slow", "--json")
    assert (refused.returncode, json.loads(refused.stdout)) == (1, {"moved": 0, "left": [second]})
    [slow] = [q for q in json.loads(desk("queue", "list", "--json").stdout) if q["name"] == "slow"]
    assert slow["queued"] == 4
    assert json.loads(desk("queue", "show", "slow", "--json").stdout) == slow | {"limits": []}


def test_a_queue_is_shown_with_the_limits_that_hold_for_its_tasks(desk: Desk) -> None:
    for words in (["--queue", "slow"], ["--queue", "other"], ["--kind", "trial"]):
        assert desk("limit", "set", *words, "--max-running", "3").returncode == 0
    shown = desk("queue", "show", "slow").stdout
    assert "queue:slow" in shown
    assert "kind:trial" in shown
    assert "queue:other" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    limits = json.loads(desk("queue", "show", "slow", "--json").stdout)["limits"]
    assert [limit["name"] for limit in limits] == ["kind:trial", "queue:slow"]
    assert "limit" not in desk("queue", "list").stdout


def test_a_limit_is_set_listed_explained_and_lifted(desk: Desk) -> None:
    assert "no limits" in desk("limit", "list").stderr
    done = desk("limit", "set", "--kind", "trial", "--max-running", "0", "--rate", "10/min")
    assert (done.returncode, done.stderr) == (0, "hive: limit kind:trial holds from now on\n")
    [limit] = json.loads(desk("limit", "list", "--json").stdout)
    assert limit["name"] == "kind:trial"
    assert (limit["max_running"], limit["burst"], limit["running"]) == (0, 1, 0)
    assert limit["rate"] == pytest.approx(1 / 6)
    assert "kind:trial  0 of 0   10/min  1" in desk("limit", "list").stdout
    [task_id] = desk.submit()
    desk.sql("update hive.task set state = 'blocked', waits_for_limit = 'kind:trial'")
    shown = " ".join(desk("show", str(task_id)).stdout.split())
    assert (
        "no room is left for it: limit kind:trial allows 0 at once and a start rate of 10/min"
        in shown
    )
    assert desk("limit", "remove", "--kind", "trial").returncode == 0
    assert desk.sql("select state::text from hive.task")[0][0] == "queued"
    gone = desk("limit", "remove", "--kind", "trial")
    assert (gone.returncode, gone.stderr) == (
        2,
        "hive: there is no limit kind:trial; `hive limit list` shows those there are\n",
    )


def test_the_audit_log_tells_who_did_what(desk: Desk) -> None:
    assert desk("audit").stderr == "hive: nothing was done by hand\n"
    desk("queue", "pause", "images", "--reason", "full", "--set", "audit.actor=ada")
    desk("limit", "set", "--queue", "images", "--max-running", "4")
    [limited, paused] = json.loads(desk("audit", "--json").stdout)
    assert (paused["actor"], paused["what"], paused["target"]) == ("ada", "pause", "images")
    assert paused["details"] == {"reason": "full"}
    assert (limited["what"], limited["details"]) == ("set limit", {"max_running": 4})
    assert len(json.loads(desk("audit", "--target", "images", "--json").stdout)) == 1
    assert "pause      images" in desk("audit").stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("limit", "set", "--max-running", "4"), "name what is limited with one of --queue"),
        (("limit", "set", "--kind", "a", "--queue", "b"), "name what is limited with one of"),
        (("limit", "set", "--kind", "a"), "says how many tasks run at once, or how fast"),
        (("limit", "set", "--kind", "a", "--rate", "fast"), "--rate is 'fast'; write it like 10/s"),
        (("queue", "pause", "a b"), "a queue is 1 to 200 characters without white space"),
        (("queue", "move", "--to", "slow"), "name what to move"),
        (("queue", "drain", "a", "--within", "soon"), "--within is 'soon'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    desk: Desk, words: tuple[str, ...], error: str
) -> None:
    done = desk(*words)
    assert done.returncode == 2
    assert error in done.stderr


@pytest.mark.parametrize("text", ["10/s", "90/min", "5/h", "1000/day", "2.5/s"])
def test_a_rate_is_read_as_it_is_written(text: str) -> None:
    number, _, unit = text.partition("/")
    seconds = {"s": 1, "min": 60, "h": 3600, "day": 86_400}[unit]
    assert read_rate(text) == pytest.approx(float(number) / seconds)
    assert read_rate(show_rate(read_rate(text))) == pytest.approx(read_rate(text), rel=1e-3)


@pytest.mark.parametrize("text", ["0/s", "10", "10/fortnight", "-1/s", "1e3/s", ""])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write it like"):
        read_rate(text)

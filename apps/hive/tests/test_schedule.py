"""`hive schedule`: from the first to the last command, and what a person sees of it."""

import json
import re

import pytest

from hive_testkit.console import Console
from hive_testkit.desk import Desk
from hive_testkit.waiting import until

pytestmark = pytest.mark.usefixtures("eighty_columns")

NIGHTLY = ("nightly", "--cron", "30 2 * * *", "--zone", "Europe/Berlin")
LONG = "x" * 90


def typed(desk: Desk, *words: str, code: int = 0) -> str:
    """Type a command that prints nothing too wide; return what it prints."""
    done = desk("schedule", *words)
    assert done.returncode == code, done.stderr
    assert max((len(line) for line in done.stdout.splitlines()), default=0) <= 80, done.stdout
    return done.stdout if code == 0 else done.stderr


def test_a_schedule_from_its_first_day_to_its_last(desk: Desk) -> None:
    assert desk("schedule", "list").stdout == ""
    added = desk("schedule", "add", *NIGHTLY, "--timeout", "1h", "--", "./backup", "{tick}", LONG)
    assert added.stdout == "nightly\n"
    assert re.search(r"next tick \S+ 0[23]:[03]0:00 \+0[12]00  in ", added.stderr)
    assert "30 2 * * * Europe/Berlin" in typed(desk, "list")
    assert len(typed(desk, "next", "nightly", "-n", "3").splitlines()) == 3
    task_id = typed(desk, "run", "nightly").strip()
    shown = typed(desk, "show", "nightly")
    assert f"task {task_id}  asked for" in shown
    assert "time-out 1h 0m" in shown
    assert "schedule  nightly, tick " in desk("show", task_id).stdout
    argv = json.loads(desk("show", task_id, "--json").stdout)["payload"]["argv"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00", argv[1])
    assert "\n1 schedule\n" in desk("status").stdout, "no queen has reckoned its first tick"
    typed(desk, "pause", "nightly")
    assert "1 schedule, 1 paused" in desk("status").stdout
    assert "paused already" in desk("schedule", "pause", "nightly").stderr
    assert "paused" in typed(desk, "list")
    typed(desk, "resume", "nightly")
    assert "active" in typed(desk, "list")
    typed(desk, "add", *NIGHTLY, "--replace", "--overlap", "queue", "--", "./other")
    assert "overlap   queue" in typed(desk, "show", "nightly")
    typed(desk, "remove", "nightly")
    for words in (("show",), ("next",), ("pause",), ("resume",), ("remove",), ("run",)):
        assert "there is no schedule 'nightly'" in typed(desk, *words, "nightly", code=2)
    assert "schedule" not in desk("status").stdout


def test_programs_are_told_the_same_as_json(desk: Desk) -> None:
    words = ("pulse", "--every", "1m", "--spread", "5s", "--kind", "command")
    added = json.loads(
        typed(desk, "add", *words, "--payload", '{"argv": ["true"]}', "--timeout", "2m", "--json")
    )
    assert added["when"]["interval_seconds"] == 60
    assert (added["spread_seconds"], added["task"]["timeout_seconds"]) == (5, 120)
    assert [each["name"] for each in json.loads(typed(desk, "list", "--json"))] == ["pulse"]
    task = json.loads(typed(desk, "run", "pulse", "--json"))["id"]
    [tick] = json.loads(typed(desk, "show", "pulse", "--json"))["ticks"]
    assert (tick["task_id"], tick["is_extra"]) == (task, True)
    assert json.loads(desk("show", str(task), "--json").stdout)["schedule"]["name"] == "pulse"
    moments = json.loads(typed(desk, "next", "pulse", "-n", "2", "--json"))
    assert moments[0]["at"] < moments[1]["at"]
    assert json.loads(desk("status", "--json").stdout)["schedules"]["count"] == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--", "true"], "one of --cron, --every and --at"),
        (["--cron", "@daily", "--every", "1m", "--", "true"], "it got --cron and --every"),
        (["--cron", "99 * * * *", "--", "true"], "'99 * * * *' is no cron expression: bad minute"),
        (["--cron", "@daily", "--zone", "Mars", "--", "true"], "no time zone 'Mars'"),
        (["--every", "1m", "--zone", "UTC", "--", "true"], "--zone means something beside --cron"),
        (["--cron", "@daily", "--from", "2030-01-01", "--", "true"], "--from means something"),
        (["--every", "soon", "--", "true"], "--every is 'soon'"),
        (["--every", "10ms", "--", "true"], "from 1 s to 10 years, not 0.01 s"),
        (["--at", "tomorrow", "--", "true"], "--at is 'tomorrow'"),
        (["--at", "2020-01-01", "--", "true"], "is over"),
        (["--every", "1m"], "say what to submit"),
        (["--every", "1m", "--kind", "command", "--", "true"], "it got both"),
        (["--every", "1m", "--payload", "{}", "--", "true"], "--payload is the input of a kind"),
        (["--every", "1m", "--kind", "command", "--cwd", "/"], "in the payload"),
        (["--every", "1m", "--kind", "nonsense"], "no executor for kind 'nonsense'"),
        (["--every", "1m", "--missed", "some", "--", "true"], "--missed is 'some'"),
        (["--every", "1m", "--missed", "all", "--", "true"], "overlap is queue or allow"),
        (["--every", "1m", "--overlap", "never", "--", "true"], "skip or queue"),
        (["--every", "1m", "--priority", "-1", "--", "true"], "a priority is from 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(
    desk: Desk, words: list[str], complaint: str
) -> None:
    done = desk("schedule", "add", "x", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert desk.sql("select 1 from hive.schedule") == []


def test_the_doctor_names_a_schedule_that_comes_to_nothing(desk: Desk) -> None:
    typed(desk, "add", "far", "--every", "1h", "--queue", "moon", "--", "true")
    done = desk("doctor")
    assert "far submits to queue moon, which no worker serves" in done.stdout
    assert "hive worker --queue moon" in done.stdout


async def test_a_hive_that_is_up_runs_what_falls_due(hive: Console) -> None:
    done = hive("schedule", "add", "due", "--every", "1s", "--", "echo", "{tick}")
    assert done.returncode == 0, done.stderr
    try:
        await until(lambda: len(ended(hive)) >= 3, within_seconds=120)
    finally:
        assert hive("schedule", "remove", "due").returncode == 0
    first, *_ = ended(hive)
    assert re.fullmatch(r"\S+T\S+\+00:00\n", hive("logs", str(first["id"])).stdout)


def ended(hive: Console) -> list[dict[str, object]]:
    """The tasks of schedule `due` that have succeeded."""
    done = hive("list", "--group", "due", "--state", "succeeded", "--json", "--all")
    return json.loads(done.stdout)

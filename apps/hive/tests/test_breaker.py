"""`hive breaker`, and what `show` says of tasks that wait for one."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

from hive_store.claiming import Watermarks
from hive_testkit.desk import Desk
from hive_testkit.ground import LEASE, Ground

PAGE: Final = (Path(__file__).parents[3] / "docs" / "retries.md").read_text(encoding="utf-8")
TEAM: Final = "anthropic:team"


async def _claim(ground: Ground) -> None:
    await ground.queen.limited.claim(
        "default",
        limit=10,
        lease=LEASE,
        bundle_size=1,
        worker_count=1,
        watermarks=Watermarks(),
        look_ahead=10,
    )


def waits(desk: Desk, task_id: int) -> str:
    return " ".join(desk("show", str(task_id)).stdout.split())


def test_the_examples_of_the_page_run_as_they_stand(desk: Desk) -> None:
    typed = re.findall(r"^\$ hive (breaker .*)$", PAGE, re.MULTILINE)
    assert len(typed) == 3
    for line in typed:
        done = desk(*shlex.split(line))
        assert done.returncode == 0, (line, done.stderr)
    statements = re.findall(r"`(?:select )?(hive\.\w+_breaker\([^=`]*\))`", PAGE)
    assert len(statements) == 3
    for statement in statements[1:]:
        desk.sql(f"select {' '.join(statement.split())}")


def test_a_task_says_for_which_breaker_it_waits_until_when_and_why(desk: Desk) -> None:
    first, second = desk.submit(2, breaker=TEAM)
    opened = desk("breaker", "open", TEAM, "--reason", "a test", "--set", "audit.actor=ada")
    assert (opened.returncode, opened.stderr) == (
        0,
        f"hive: breaker {TEAM} is open until it is closed; `hive breaker close {TEAM}` closes it\n",
    )
    desk.do(_claim)
    shown = waits(desk, first)
    assert f"breaker {TEAM}" in shown
    assert f"waits breaker {TEAM} is open until `hive breaker close {TEAM}` (a test)" in shown
    assert json.loads(desk("show", "--json", str(first)).stdout)["breaker"] == TEAM
    [listed] = json.loads(desk("breaker", "list", "--json").stdout)
    assert (listed["name"], listed["is_open"], listed["waiting"]) == (TEAM, True, 2)
    assert "open until it is closed" in desk("breaker", "list").stdout

    assert desk("breaker", "open", TEAM, "--for", "10m").stderr.startswith(
        f"hive: breaker {TEAM} is open for 10"
    )
    assert re.search(rf"breaker {TEAM} is open until 20[\d:. -]+ \(by hand\)", waits(desk, first))

    assert desk("breaker", "open", TEAM, "--for", "0s").returncode == 0
    assert "a task tries it, and then the others go" in waits(desk, second)
    assert "half-open" in desk("breaker", "list").stdout
    desk.do(_claim)
    assert f"task {first} tries it" in waits(desk, second)
    assert f"tried by task {first}" in desk("breaker", "list").stdout
    status = desk("status").stdout
    assert f"breaker {TEAM} is tried by task {first} (by hand), 1 task waiting" in status
    [told] = json.loads(desk("status", "--json").stdout)["breakers"]
    assert (told["name"], told["probe_id"], told["waiting"]) == (TEAM, first, 1)

    assert desk("breaker", "close", TEAM).stderr == f"hive: breaker {TEAM} is closed\n"
    assert desk("breaker", "list").stderr == "hive: no breaker is open\n"
    again = desk("breaker", "close", TEAM)
    assert (again.returncode, again.stderr) == (
        2,
        f"hive: no breaker {TEAM} is open; `hive breaker list` shows those that are\n",
    )
    assert "open breaker" in desk("audit", "--target", TEAM).stdout
    assert desk("limit", "list").stderr.startswith("hive: no limits")


def test_a_task_names_its_breaker_on_the_command_line_and_in_lines_of_json(
    desk: Desk, tmp_path: Path
) -> None:
    work = '"kind": "command", "payload": {"argv": ["true"]}'
    lines = tmp_path / "tasks.jsonl"
    lines.write_text(f'{{{work}, "breaker": "a:b"}}\n{{{work}}}\n')
    one = ("submit", "command", "--payload", '{"argv": ["true"]}')
    assert desk(*one, "--breaker", TEAM).returncode == 0
    assert desk("submit", "--jsonl", str(lines), "--breaker", TEAM).returncode == 0
    rows = desk.sql("select breaker from hive.task order by id")
    assert [row["breaker"] for row in rows] == [TEAM, "a:b", TEAM]
    refused = desk(*one, "--breaker", "two words")
    assert refused.returncode == 2
    assert "a breaker is 1 to 200 characters without white space, not 'two words'" in refused.stderr

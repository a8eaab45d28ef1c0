"""`hive prune`: how many first, and nothing without being wanted; and what is kept is told."""

import json

import pexpect
import pytest

from hive.keeping import keep_in_words, read_retention
from hive_contracts.errors import ConfigurationError
from hive_contracts.retaining import KeepRule
from hive_contracts.states import TaskState
from hive_testkit.desk import Desk

ADD = (
    "insert into hive.task (kind, queue, state, created_at, finished_at)"
    " select 'x', $2, $3::hive.task_state, now() - $4::text::interval, now() - $4::text::interval"
    " from generate_series(1, $1)"
)


def add(desk: Desk, count: int, *, ago: str, queue: str = "default", state: str = "succeeded"):
    desk.sql(ADD, count, queue, state, ago)


def count(desk: Desk) -> int:
    return desk.sql("select count(*) from hive.task")[0][0]


def test_what_is_due_by_the_terms_is_counted_and_deleted(desk: Desk) -> None:
    add(desk, 3, ago="8 days")
    add(desk, 2, ago="8 days", queue="builds", state="failed")
    add(desk, 4, ago="6 days")
    done = desk("prune", "--dry-run")
    assert done.stdout.splitlines()[1:] == [
        "builds   failed     2",
        "default  succeeded  3",
        "5 tasks would be deleted",
    ]
    assert count(desk) == 9
    done = desk("prune", "--yes")
    assert (done.returncode, done.stderr) == (
        0,
        "hive: deleted 5 tasks with their attempts and output\n",
    )
    assert count(desk) == 4
    assert desk("prune", "--yes").stderr == "hive: no finished task is old enough\n"


def test_flags_choose_and_nothing_unfinished_is_meant(desk: Desk) -> None:
    desk.submit(1)
    add(desk, 2, ago="2 hours", state="failed")
    add(desk, 2, ago="2 hours", queue="builds")
    words = ("--older-than", "1h", "--state", "failed,cancelled", "--yes", "--json")
    done = desk("prune", *words)
    assert json.loads(done.stdout) == {
        "is_dry": False,
        "count": 2,
        "by_queue_and_state": [{"queue": "default", "state": "failed", "count": 2}],
    }
    desk("prune", "--older-than", "0", "--queue", "builds", "--yes")
    assert count(desk) == 1


def test_nobody_is_there_to_be_asked_so_nothing_is_deleted(desk: Desk) -> None:
    add(desk, 3, ago="8 days")
    done = desk("prune")
    assert done.returncode == 2
    assert "to delete 3 finished tasks for good, add --yes; nothing was done" in done.stderr
    assert count(desk) == 3


def test_what_a_person_deletes_is_written_down(desk: Desk) -> None:
    add(desk, 3, ago="8 days")
    desk("prune", "--yes")
    [deed] = desk.sql("select actor, host, what, target, details::text as details from hive.audit")
    assert deed["actor"]
    assert deed["host"]
    assert (deed["what"], deed["target"]) == ("prune", "7d")
    assert json.loads(deed["details"]) == {"tasks": 3}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--older-than", "soon"], "--older-than is 'soon'; write it like 30s"),
        (["--older-than", "1d", "--state", "running"], "only finished tasks are deleted"),
        (["--older-than", "1d", "--state", "faild"], "is no state; did you mean failed?"),
        (["--queue", "builds"], "go with --older-than"),
        (["--set", "retention.keep=a while"], "retention.keep is 'a while'; write it like"),
        (["--set", "retention.rules=builds 3d"], "retention.rules has 'builds 3d'; write a rule"),
        (["--set", "retention.rules=state=queued 3d"], "has state 'queued'; only finished tasks"),
        (["--set", "retention.rules=queue=a later"], "'queue=a later' in retention.rules is"),
    ],
)
def test_what_cannot_be_meant_is_told(desk: Desk, words: list[str], complaint: str) -> None:
    done = desk("prune", *words)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_rules_are_read_in_their_order_and_the_last_is_for_all_others() -> None:
    retention = read_retention("forever", ["queue='my builds' state=failed 30d", "kind=call 90m"])
    assert [(r.queue, r.kind, r.state) for r in retention.rules] == [
        ("my builds", None, TaskState.FAILED),
        (None, "call", None),
        (None, None, None),
    ]
    assert retention.rules[-1] == KeepRule(keep=None)
    words = "for ever; queue=my builds state=failed 30d; kind=call 1h 30m"
    assert keep_in_words(retention) == words
    assert read_retention("0", []).rules == (KeepRule(keep=None),)


@pytest.mark.parametrize("rule", ["30d", "queue= 3d", "colour=red 3d", "queue='a 3d", ""])
def test_a_rule_that_cannot_be_read_is_refused(rule: str) -> None:
    with pytest.raises(ConfigurationError, match=r"retention\.rules has"):
        read_retention("7d", [rule])


def test_status_says_what_is_kept(desk: Desk) -> None:
    add(desk, 1, ago="3 days")
    done = desk("status", "--set", "retention.rules=state=failed 30d")
    assert "finished tasks are kept 7d; state=failed 30d; the oldest ended 3d 0h ago" in done.stdout
    kept = json.loads(desk("status", "--json").stdout)["kept"]
    assert kept["terms"] == "7d"
    assert 3 * 86400 <= kept["oldest_finished_seconds"] < 4 * 86400


def test_one_ctrl_c_at_the_question_means_no(desk: Desk) -> None:
    add(desk, 3, ago="8 days")
    terminal = desk.console.on_terminal(["prune"])
    terminal.expect_exact("[y/N] ")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert "Traceback" not in terminal.before
    assert count(desk) == 3

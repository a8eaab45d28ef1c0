"""`hive answer`, and what `status`, `list` and `show` say of tasks that ask."""

import json

from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_store.worker_store import Ending
from hive_testkit.desk import Desk
from hive_testkit.ground import Ground


async def _ask(
    ground: Ground, question: str = "May it go?", options: tuple[str, ...] = ("yes, all", "no")
) -> TaskId:
    [leased] = await ground.lease(1)
    ending = Ending(
        task_id=leased.task.id,
        lease_id=leased.task.lease_id,
        move=Move.ASK,
        outcome=OutcomeName.RELEASED,
        error=question,
        options=options,
    )
    await ground.worker.finish([ending])
    return leased.task.id


def test_a_task_that_asks_is_found_and_answered(desk: Desk) -> None:
    task_id = desk.do(_ask)
    [other] = desk.submit()
    assert "needs you (1): hive list --needs-you" in desk("status").stdout
    assert json.loads(desk("status", "--json").stdout)["needs_answer"] == 1
    listed = desk("list", "--needs-you").stdout
    assert "asks: May it go?" in listed
    assert len(listed.splitlines()) == 2
    shown = " ".join(desk("show", str(task_id)).stdout.split())
    assert "asks May it go?" in shown
    assert f"`hive answer {task_id} 'yes, all'` (or no)" in shown
    assert f"next: hive answer {task_id} | hive cancel {task_id}" in shown

    wrong = desk("answer", str(task_id), "perhaps")
    assert wrong.returncode == 2
    assert "takes one of these answers: yes, all, no, and not 'perhaps'" in wrong.stderr
    idle = desk("answer", str(other), "yes")
    assert (idle.returncode, idle.stderr) == (2, f"hive: task {other} asks nothing: it is queued\n")

    done = desk("answer", str(task_id), "yes,", "all")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"hive: task {task_id} is queued, and finds the answer\n"
    assert "needs you" not in desk("status").stdout
    shown = desk("show", str(task_id)).stdout
    assert "asked     May it go? -- yes, all (" in shown
    assert "free to run (answered)" in shown
    [deed] = json.loads(desk("audit", "--json").stdout)
    assert (deed["what"], deed["target"]) == ("answer", str(task_id))
    assert deed["actor"]
    assert deed["details"] == {"question": 1, "answer": "yes, all"}


def test_what_a_task_says_moves_no_cursor_and_what_it_offers_is_words(desk: Desk) -> None:
    question = "Go?\x1b[2J\x1b]0;title\x07\r\u202e\x9b31m on"
    options = ("yes; touch evil", "-n", "$(true)")
    task_id = desk.do(lambda ground: _ask(ground, question, options))
    shown = {
        words: desk(*words).stdout
        for words in [
            ("show", str(task_id)),
            ("show", str(task_id), "--full"),
            ("list", "--needs-you"),
            ("events",),
        ]
    }
    for words, text in shown.items():
        assert "Go? [2J" in text, words
        assert all(c.isprintable() or c == "\n" for c in text), words
    text = " ".join(shown["show", str(task_id)].split())
    commands = f"`hive answer {task_id} 'yes; touch evil'` (or -- -n, '$(true)')"
    assert commands in text
    # As it is shown, it is typed.
    assert desk("answer", str(task_id), "--", "-n").returncode == 0


def test_an_answer_is_read_from_standard_input_and_a_parked_task_stays_so(desk: Desk) -> None:
    task_id = desk.do(_ask)
    desk("park", str(task_id))
    steps = f"hive answer {task_id} | hive unpark {task_id} | hive cancel {task_id}"
    assert f"next: {steps}" in desk("show", str(task_id)).stdout
    done = desk.console("answer", "--json", str(task_id), "-", stdin=b"no\n")
    assert json.loads(done.stdout) == {"id": task_id, "state": "scheduled"}
    [row] = desk.sql("select answer from hive.question")
    assert row["answer"] == "no"

"""`hive answer`, and what `status`, `list` and `show` say of tasks that ask."""

import json

from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_store.worker_store import Ending
from hive_testkit.desk import Desk
from hive_testkit.ground import Ground


async def _ask(ground: Ground) -> TaskId:
    [leased] = await ground.lease(1)
    ending = Ending(
        task_id=leased.task.id,
        lease_id=leased.task.lease_id,
        move=Move.ASK,
        outcome=OutcomeName.RELEASED,
        error="May it go?",
        options=("yes, all", "no"),
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
    assert f"`hive answer {task_id} yes, all` (or no)" in shown
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
    assert "answer" in desk("audit").stdout


def test_an_answer_is_read_from_standard_input_and_a_parked_task_stays_so(desk: Desk) -> None:
    task_id = desk.do(_ask)
    desk("park", str(task_id))
    done = desk.console("answer", "--json", str(task_id), "-", stdin=b"no\n")
    assert json.loads(done.stdout) == {"id": task_id, "state": "scheduled"}
    [row] = desk.sql("select answer from hive.question")
    assert row["answer"] == "no"

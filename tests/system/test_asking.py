"""Tasks ask, a person answers, and their next attempts read it: the function of docs/asking.md."""

import re
from pathlib import Path
from typing import Final

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster
from hive_testkit.waiting import until

PAGE: Final = (Path(__file__).parents[2] / "docs" / "asking.md").read_text(encoding="utf-8")
PATIENCE_SECONDS: Final = 60
LINE: Final = """
case "$HIVE_QUESTION" in
  "") echo "First?"; exit 79 ;;
  "First?") echo "After $HIVE_ANSWER?"; exit 79 ;;
  *) test "$HIVE_QUESTION $HIVE_ANSWER" = "After one? -n"
esac
"""


async def test_the_next_attempt_of_who_asks_reads_what_a_person_has_answered(
    cluster: Cluster, hive: Hive
) -> None:
    [source] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (cluster.folder / "shipping.py").write_text(source)
    allowed = {"HIVE_CALLS_PATH": str(cluster.folder), "HIVE_CALLS_MODULES": "shipping"}
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", env=allowed)
    call = await hive.submit("call", {"function": "shipping:ship", "args": ["Monday"]})
    payload = {"argv": [LINE], "shell": True, "ask_codes": [79]}
    command = await hive.submit("command", payload)

    async def answer(task_id: TaskId, question: str, *words: str) -> None:
        async def has_asked() -> bool:
            record = await hive.show(task_id)
            return record.asked_at is not None and record.questions[-1].question == question

        await until(has_asked, within_seconds=PATIENCE_SECONDS)
        await cluster.printed("answer", str(task_id), *words)

    await answer(call, "Monday has no sales. Send it all the same?", "yes")
    await answer(command, "First?", "one")
    await answer(command, "After one?", "--", "-n")

    async def has_ended() -> bool:
        states = await hive.tasks.states([call, command])
        return set(states.values()) == {TaskState.SUCCEEDED}

    await until(has_ended, within_seconds=PATIENCE_SECONDS)
    assert (await hive.show(call)).result == "yes"

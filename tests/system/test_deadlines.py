"""The limits of time as users set them: for waiting, running and silence, and which one struck."""

import json
from datetime import timedelta

from hive_client import Hive
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster

WITHIN = timedelta(seconds=60)
CHATTY = "for i in 1 2 3 4 5 6; do sleep 0.5; echo $i; done"


def command(script: str) -> dict[str, list[str]]:
    return {"argv": ["sh", "-c", script]}


async def test_each_limit_ends_what_it_is_meant_for_and_is_told_apart(
    cluster: Cluster, hive: Hive
) -> None:
    waiting = await hive.submit(
        "command", command("true"), queue="nobody", expires_in=timedelta(seconds=1)
    )
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    silent = await hive.submit(
        "command", command("echo up; sleep 300"), silence_timeout=timedelta(seconds=2)
    )
    long = await hive.submit("command", command("sleep 300"), timeout=timedelta(seconds=1))
    chatty = await hive.submit("command", command(CHATTY), silence_timeout=timedelta(seconds=2))
    ended = {each.id: each async for each in hive.as_completed([silent, long, waiting, chatty])}
    assert ended[chatty].state is TaskState.SUCCEEDED
    assert ended[silent].outcome is ended[long].outcome is OutcomeName.TIMED_OUT
    assert ended[silent].error == "it was silent for longer than its limit of 2 s"
    assert ended[long].error == "it ran longer than its time-out of 1 s"
    assert ended[waiting].error == "it had expired before it could start"
    assert not cluster.left_running()
    for task_id, word in ((silent, "(silent)"), (long, "(timed out)"), (waiting, "(expired)")):
        assert word in (await cluster.printed("show", str(task_id))).decode()
    shown = json.loads(await cluster.printed("show", str(silent), "--json"))
    assert shown["silence_timeout_seconds"] == 2
    assert "silence 2 s" in (await cluster.printed("show", str(silent))).decode()


async def test_a_silent_command_is_tried_again_as_often_as_it_may_fail(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", env={"HIVE_WORKER_RETRY_BASE_SECONDS": "0.1"})
    task_id = await hive.submit(
        "command", command("sleep 300"), silence_timeout=timedelta(seconds=0.5), max_attempts=2
    )
    assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.FAILED
    record = await hive.show(task_id)
    assert record.failures == 2
    assert [past.outcome for past in record.history] == ["timed_out"]

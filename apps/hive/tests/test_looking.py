"""`hive status` and `hive show`: what they say is what is."""

import json
import os
import re
import subprocess

import pytest

from hive.looking.hiding import without_secrets
from hive_testkit.console import Console
from hive_testkit.desk import Desk


def submitted(hive: Console, payload: object, *flags: str, kind: str = "command") -> str:
    return hive("submit", kind, "--payload", json.dumps(payload), *flags).stdout.strip()


def finished(hive: Console, payload: object, *flags: str) -> str:
    words = ("submit", "command", "--payload", json.dumps(payload), "--wait", "--json", *flags)
    return str(json.loads(hive(*words).stdout)["id"])


def test_status_counts_tasks_by_queue_and_state_and_knows_the_workers(hive: Console) -> None:
    queue = "counted"
    for _ in range(3):
        submitted(hive, {"argv": ["true"]}, "--queue", queue)
    submitted(hive, {"argv": ["true"]}, "--queue", queue, "--delay", "1h")
    finished(hive, {"argv": ["true"]})
    found = json.loads(hive("status", "--json").stdout)
    assert found["queues"][queue]["queued"] == 3
    assert found["queues"][queue]["scheduled"] == 1
    assert found["queues"][queue]["longest_wait_seconds"] > 0
    assert found["queues"]["default"]["longest_wait_seconds"] is None
    assert found["ended_in_the_last_minute"]["succeeded"] >= 1
    [worker] = [worker for worker in found["workers"] if worker["queues"] == ["default"]]
    assert worker["slots"] == 4
    os.kill(worker["pid"], 0)


@pytest.mark.usefixtures("eighty_columns")
def test_status_fits_into_80_columns_whatever_the_queue_is_called(hive: Console) -> None:
    submitted(hive, {"argv": ["true"]}, "--queue", "q" * 100)
    lines = hive("status").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("qqqq") for line in lines)
    assert "\033" not in "".join(lines)


@pytest.mark.usefixtures("eighty_columns")
def test_status_with_blocked_tasks_fits_into_80_columns(hive: Console) -> None:
    queue = "nobody-serves-this-one"
    for _ in range(2):
        submitted(hive, {"argv": ["true"]}, "--queue", queue, "--key", "status-fits")
    lines = hive("status").stdout.splitlines()
    assert "BLOCKED" in lines[0]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("default ") for line in lines)
    for line in hive("list", "--queue", queue, "--plain").stdout.splitlines():
        hive("cancel", line.split()[0])


@pytest.mark.usefixtures("eighty_columns")
def test_show_tells_how_each_attempt_ended_and_where_it_ran(hive: Console) -> None:
    task = finished(hive, {"argv": ["sh", "-c", "exit $HIVE_ATTEMPT"]}, "--max-attempts", "2")
    shown = hive("show", task).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "state     failed" in shown
    assert "error     exit code 2" in shown
    attempts = shown.partition("attempts")[2].partition("timeline")[0]
    assert re.search(r"1  failed .*exit code 1.*\n +2  failed .*exit code 2", attempts), attempts
    found = json.loads(hive("show", task, "--json").stdout)
    assert [past["error"] for past in found["history"]] == ["exit code 1"]
    assert [event["type"] for event in found["events"]] == [
        "queued", "dispatched", "started", "retried", "dispatched", "started", "failed",
    ]  # fmt: skip
    assert found["outcome"] == "failed"


def test_show_says_what_a_task_waits_for(hive: Console) -> None:
    later = submitted(hive, {"argv": ["true"]}, "--delay", "2h")
    nobody = submitted(hive, {"argv": ["true"]}, "--queue", "unserved")
    assert "it is due in 1h 59m" in hive("show", later).stdout
    assert "no worker serves queue 'unserved'" in hive("show", nobody, "--full").stdout


def test_show_of_a_running_task_has_its_host_pid_and_last_output(hive: Console) -> None:
    task = submitted(hive, {"argv": ["sh", "-c", "echo begun; sleep 100"]})
    with hive.start("logs", "-f", task, stdout=subprocess.PIPE) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == b"begun\n"
        found = json.loads(hive("show", task, "--json").stdout)
        shown = hive("show", task).stdout
        logs.kill()
    hive("cancel", task)
    assert f"process {found['worker_pid']}; last output" in shown
    assert found["last_output_seconds_ago"] >= 0


@pytest.mark.usefixtures("eighty_columns")
def test_long_values_are_cut_unless_all_is_asked_for(hive: Console) -> None:
    text = "x" * 500
    task = submitted(hive, {"argv": ["echo", text]}, "--queue", "nobody")
    assert text not in hive("show", task).stdout
    assert text in hive("show", task, "--full").stdout
    assert json.loads(hive("show", task, "--json").stdout)["payload"]["argv"] == ["echo", text]


def test_off_a_terminal_nothing_is_cut(desk: Desk) -> None:
    words = ["--queue", "q" * 100, "--payload", json.dumps({"argv": ["x" * 300]})]
    task_id = desk("submit", "command", *words).stdout.strip()
    assert "x" * 300 in desk("show", task_id).stdout
    assert "q" * 100 in desk("list").stdout


def test_show_hides_the_secrets_of_a_payload_wherever_they_stand(desk: Desk) -> None:
    secret, pin = "s3cr3t-enough", "99"
    payload = {
        "argv": ["deploy", f"--with={secret}", pin],
        "env": {"API_TOKEN": secret, "PIN": pin, "NAME": "open"},
        "secret_env": ["PIN"],
    }
    [task] = desk.submit(1, kind="command", payload=payload)
    for words in (("--full",), ("--json",)):
        shown = desk("show", str(task), *words).stdout
        assert secret not in shown
        assert '"99"' not in shown
        assert "--with=[hidden]" in shown
        assert '"NAME": "open"' in shown
    kept = desk.sql("select payload from hive.task where id = $1", task)
    assert secret in kept[0]["payload"]


def test_a_secret_is_hidden_in_a_signed_payload_too() -> None:
    signed = {"$signed": {"payload": {"env": {"A_SECRET": "abcdefg"}, "argv": ["xabcdefgx"]}}}
    shown = {"$signed": {"payload": {"env": {"A_SECRET": "[hidden]"}, "argv": ["x[hidden]x"]}}}
    assert without_secrets(signed, ["*_SECRET"]) == shown
    assert without_secrets(["plain", 1, None], ["*_SECRET"]) == ["plain", 1, None]

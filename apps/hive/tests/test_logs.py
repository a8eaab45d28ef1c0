import json
import subprocess
from pathlib import Path

from hive_testkit.console import Console

TWO_ATTEMPTS = (
    "import os, sys; n = os.environ['HIVE_ATTEMPT'];"
    " print('out', n); print('err', n, file=sys.stderr); sys.exit(n == '1')"
)


def submitted(hive: Console, *argv: str, flags: tuple[str, ...] = ()) -> str:
    payload = json.dumps({"argv": argv})
    return hive("submit", "command", "--payload", payload, *flags).stdout.strip()


def ended(hive: Console, *argv: str, flags: tuple[str, ...] = ()) -> str:
    payload = json.dumps({"argv": argv})
    words = ("submit", "command", "--payload", payload, "--wait", "--json", *flags)
    return str(json.loads(hive(*words).stdout)["id"])


def test_each_stream_goes_where_it_came_from_or_alone(hive: Console) -> None:
    task = ended(hive, "sh", "-c", "echo out; echo err >&2")
    both = hive("logs", task)
    assert (both.stdout, both.stderr) == ("out\n", "err\n")
    one = hive("logs", task, "--stream", "stderr")
    assert (one.stdout, one.stderr) == ("", "err\n")


def test_every_attempt_keeps_its_own_output(hive: Console, tmp_path: Path) -> None:
    task = ended(hive, "python3", "-c", TWO_ATTEMPTS, flags=("--max-attempts", "2"))
    assert hive("logs", task).stdout == "out 2\n"
    assert hive("logs", task, "--attempt", "1").stdout == "out 1\n"
    missing = hive("logs", task, "--attempt", "3")
    assert missing.returncode == 2
    assert missing.stderr == f"hive: task {task} has had 2 attempts; there is no attempt 3\n"


def test_what_the_cap_left_out_is_told_and_all_else_is_in_order(hive: Console) -> None:
    lines, cap_bytes = 400_000, 1024 * 1024
    task = ended(hive, "seq", str(lines))
    done = hive("logs", task)
    whole = "".join(f"{number}\n" for number in range(1, lines + 1))
    head, tail = done.stdout[: cap_bytes // 2], done.stdout[cap_bytes // 2 :]
    assert whole.startswith(head)
    assert whole.endswith(tail)
    left_out = len(whole) - len(done.stdout)
    assert done.stderr == f"... {left_out:,} bytes of stdout left out ...\n"
    assert left_out > 0


def test_followed_from_the_middle_nothing_is_missed_and_nothing_comes_twice(hive: Console) -> None:
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.3; done"
    task = submitted(hive, "sh", "-c", script)
    with hive.start("logs", "-f", task, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"1\n"
        two = hive("logs", "-f", task)
        assert one.stdout.read() == b"2\n3\n4\n5\n"
    assert two.stdout == "1\n2\n3\n4\n5\n"
    assert two.stderr == f"hive: task {task} succeeded\n"


def test_following_goes_on_with_the_next_attempt(hive: Console) -> None:
    task = submitted(hive, "python3", "-c", TWO_ATTEMPTS, flags=("--max-attempts", "2"))
    done = hive("logs", "-f", task)
    assert done.stdout.endswith("out 2\n")
    assert done.stdout in ("out 2\n", "out 1\nout 2\n")


def test_a_task_that_is_not_over_is_said_to_be_so(hive: Console) -> None:
    task = submitted(hive, "true", flags=("--queue", "nobody"))
    done = hive("logs", task)
    assert done.stdout == ""
    assert done.stderr == f"hive: task {task} is queued; go on with `hive logs -f {task}`\n"


def test_an_unknown_task_and_a_wrong_stream_are_told(hive: Console) -> None:
    assert hive("logs", "999999999").stderr == "hive: there is no task 999999999\n"
    assert "it must be stdout or stderr" in hive("logs", "1", "--stream", "out").stderr

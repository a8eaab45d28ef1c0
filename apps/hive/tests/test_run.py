import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pexpect
import pytest

from hive_store import migrate
from hive_testkit.console import LONGEST_SECONDS, Console
from hive_testkit.plugin import OwnServer


def task_of(text: str) -> str:
    found = re.search(r"task (\d+)", text)
    assert found is not None
    return found[1]


def state_of(hive: Console, task: str) -> str:
    return json.loads(hive("show", task, "--json").stdout)["state"]


def test_output_arrives_unchanged_on_the_stream_it_was_written_to(hive: Console) -> None:
    script = r"printf 'a\r\nb\033[1m\303\251'; printf 'to stderr' >&2"
    done = hive("run", "--", "sh", "-c", script)
    assert done.stdout == "a\r\nb\033[1mé"
    assert done.stderr == "to stderr"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 128 + 15)],
)
def test_the_exit_code_is_the_commands_own(hive: Console, script: str, code: int) -> None:
    done = hive("run", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_command_that_fails_is_tried_again_as_its_policy_says(
    hive: Console, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    script = f"echo tried; test -e {mark} || {{ touch {mark}; exit 75; }}"
    done = hive("run", "--retry", "fixed(0s)", "--retry-on", "75", "--shell", "--", script)
    assert (done.returncode, done.stdout) == (0, "tried\ntried\n")
    mark.unlink()
    done = hive("run", "--retry", "fixed(0s)", "--retry-on", "76", "--shell", "--", script)
    assert (done.returncode, done.stdout) == (75, "tried\n")


def test_an_earlier_task_of_the_same_unique_key_is_watched_instead(
    hive: Console, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    task = hive("submit", "--unique", "report", "--", "cat", str(pipe)).stdout.strip()
    words = ("run", "--unique", "report", "--", "echo", "another")
    watching = hive.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert watching.stderr is not None
        told = watching.stderr.readline().decode()
        assert f"nothing is added: task {task} has the unique key 'report'" in told
        pipe.write_text("the first\n")
        printed, _ = watching.communicate(timeout=LONGEST_SECONDS)
        assert (watching.returncode, printed) == (0, b"the first\n")
    finally:
        watching.kill()
        watching.wait()


def test_a_command_that_runs_out_of_time_ends_with_124(hive: Console) -> None:
    done = hive("run", "--timeout", "300ms", "--", "sleep", "60")
    assert done.returncode == 124
    assert "timed out after" in done.stderr
    assert "its time-out of 0.3 s" in done.stderr


def test_a_command_that_misses_a_deadline_ends_with_a_code_of_its_own_and_says_which(
    hive: Console,
) -> None:
    done = hive("run", "--startup-timeout", "300ms", "--", "sleep", "60")
    assert done.returncode == 119
    assert "timed out after" in done.stderr
    assert "it had printed nothing 0.3 s after its start" in done.stderr
    line = "echo on; exec >&- 2>&-; sleep 60"
    done = hive("run", "--linger-timeout", "300ms", "--shell", line)
    assert (done.returncode, done.stdout) == (117, "on\n")
    assert "it was still there 0.3 s after it had closed its output" in done.stderr
    done = hive("run", "--silence-timeout", "500ms", "--", "sleep", "60")
    assert done.returncode == 118
    assert "it was silent for longer than its limit of 0.5 s" in done.stderr


def test_of_long_output_as_much_is_kept_as_is_asked_for(hive: Console) -> None:
    done = hive("run", "--output-cap", "20", "--", "seq", "1000")
    assert done.stdout == "1\n2\n3\n4\n5\n" + "\n999\n1000\n"
    assert "bytes of stdout left out" in done.stderr
    refused = hive("run", "--output-cap", "much", "--", "true")
    assert refused.returncode == 125
    assert "output_cap is a size from 1 up, as in 64K; not 'much'" in refused.stderr


def test_a_time_out_keeps_what_was_used_and_shows_it(hive: Console) -> None:
    done = hive("run", "-v", "--timeout", "1s", "--shell", "echo on; sleep 60")
    task = task_of(done.stderr)
    result = json.loads(hive("show", task, "--json").stdout)["result"]
    assert (result["signal"], result["stdout_bytes"]) == ("SIGTERM", 3)
    shown = hive("show", task).stdout
    assert re.search(
        r"\nused +killed by SIGTERM, after .* s, .* of memory at most, 3 B printed", shown
    )


def test_limits_are_kept_or_refused_by_name(hive: Console) -> None:
    done = hive(
        "run", "--limit", "files=77", "--limit", "memory=1G", "--shell", "ulimit -n; ulimit -v"
    )
    assert done.returncode == 0
    assert done.stdout == "77\n1048576\n"
    refused = hive("run", "--limit", "memry=1G", "--", "true")
    assert refused.returncode == 125
    assert "limits has no 'memry'; limits: cpu_seconds, files, memory" in refused.stderr
    refused = hive("run", "--limit", "memory", "--", "true")
    assert refused.stderr == "hive: --limit needs NAME=VALUE; it got 'memory'\n"


def test_a_command_that_cannot_be_started_ends_with_125_and_says_why(hive: Console) -> None:
    done = hive("run", "--", "no-such-program-anywhere")
    assert done.returncode == 125
    assert "no such program: 'no-such-program-anywhere'" in done.stderr


def test_what_hive_itself_refuses_ends_with_125(hive: Console, no_hive: Console) -> None:
    assert no_hive("run", "--", "true").returncode == 125
    assert hive("run", "--queue", "a b", "--", "true").returncode == 125
    refused = hive("run", "--env", "NAME", "--", "true")
    assert refused.returncode == 125
    assert refused.stderr == "hive: --env needs NAME=VALUE; it got 'NAME'\n"


def test_it_runs_where_it_was_typed_with_the_variables_given(hive: Console, tmp_path: Path) -> None:
    done = hive("run", "--env", "COLOUR=blue", "--shell", "pwd; echo $COLOUR", cwd=tmp_path)
    assert done.stdout == f"{tmp_path}\nblue\n"


def test_options_after_the_command_are_the_commands(hive: Console) -> None:
    assert hive("run", "echo", "--timeout", "-v").stdout == "--timeout -v\n"


def test_off_a_terminal_only_verbose_tells_id_and_end(hive: Console) -> None:
    done = hive("run", "-v", "--", "true")
    first, last = done.stderr.splitlines()
    assert first == f"hive: task {task_of(first)}, in queue default"
    assert re.fullmatch(rf"hive: task {task_of(first)} succeeded after [\d.]+ s", last)


def test_what_a_further_attempt_waits_for_is_told(hive: Console, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    # The first attempt is at work when a person would be told at once what the task waits for.
    script = f"test -e {mark} && exit 0; touch {mark}; echo begun; sleep 3; exit 1"
    words = ("run", "--group", "dear", "--retry", "fixed(0s)", "--shell", "--", script)
    with hive.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == b"begun\n"
            assert hive("budget", "set", "--group", "dear", "0usd").returncode == 0
            # For a moment it may be next in line: nobody has looked at its budget again yet.
            assert any(b"budget group:dear is used up" in told for told in process.stderr)
            assert hive("budget", "remove", "--group", "dear").returncode == 0
            assert process.wait(LONGEST_SECONDS) == 0
        finally:
            process.kill()


def test_what_it_waits_for_is_told_when_nobody_serves_the_queue(hive: Console) -> None:
    process = hive.start("run", "--queue", "nobody", "--", "true", stderr=subprocess.PIPE)
    with process:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        process.send_signal(signal.SIGINT)
        assert "no worker serves queue 'nobody'; start one with `hive worker nobody`" in line
        assert process.wait(20) == 123


def test_without_redis_it_works_by_looking(hive: Console) -> None:
    away = Console(hive.data_dir, {"HIVE_REDIS_URL": "unix:///nowhere/redis.sock?db=0"})
    done = away("run", "--", "echo", "seen")
    assert (done.returncode, done.stdout) == (0, "seen\n")
    [told] = done.stderr.splitlines()
    assert told.startswith("hive: Redis at unix:///nowhere/redis.sock?db=0 did not answer: ")
    assert told.endswith("; news is found by looking, a little later")


async def test_a_third_ctrl_c_detaches_also_while_postgres_is_away(
    own_postgres: OwnServer, tmp_path: Path
) -> None:
    await migrate(own_postgres.url)
    console = Console(tmp_path, {"HIVE_DATABASE_URL": own_postgres.url})
    (tmp_path / "lines").write_text("x\n")
    run = console.start("run", "--", "true", stderr=subprocess.PIPE)
    lines = str(tmp_path / "lines")
    map_ = console.start("map", "--from", lines, "--", "echo", stderr=subprocess.PIPE)
    try:
        for process in (run, map_):
            heard(process, b"waits: no worker serves")
        await own_postgres.kill()
        for process in (run, map_):
            process.send_signal(signal.SIGINT)
            heard(process, b"cancels it")
            process.send_signal(signal.SIGINT)
            heard(process, b"hive: cancelling")
            process.send_signal(signal.SIGINT)
            heard(process, b"cancelled yet; go on with `hive cancel ")
            assert process.wait(20) == 123
    finally:
        for process in (run, map_):
            process.kill()
            process.communicate()


def heard(process: "subprocess.Popen[bytes]", words: bytes) -> None:
    """Read what a process says up to a line with these words."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without saying {words!r}")


def test_when_nobody_reads_the_output_it_ends_as_any_program_in_a_pipe(hive: Console) -> None:
    printer = ["run", "--", "sh", "-c", "yes | head -c 2000000"]
    with hive.start(*printer, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert b"goes on unseen; watch it with `hive logs -f" in process.stderr.read()
        assert process.wait(20) == -signal.SIGPIPE


def started(hive: Console, script: str) -> tuple[Any, str]:
    """A `hive run` on a terminal whose command has begun, and the number of its task."""
    terminal = hive.on_terminal(["run", "--", "sh", "-c", f"echo begun; {script}"])
    terminal.expect(r"task (\d+), in queue")
    task = terminal.match[1]
    terminal.expect("begun")
    return terminal, task


def test_ctrl_c_detaches_and_the_task_goes_on_and_can_be_watched_again(
    hive: Console, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    terminal, task = started(hive, f"until [ -e {go} ]; do sleep 0.1; done; echo done; exit 5")
    terminal.sendintr()
    terminal.expect(f"goes on without you; watch it again with `hive logs -f {task}`")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 123
    assert state_of(hive, task) == "running"
    go.touch()
    watched = hive("logs", "-f", task)
    assert watched.stdout == "begun\ndone\n"
    assert watched.stderr == f"hive: task {task} failed: exit code 5\n"


def test_a_second_ctrl_c_cancels_and_waits_for_the_end(hive: Console) -> None:
    terminal, task = started(hive, "trap 'echo ending; exit 1' TERM; sleep 60 & wait")
    terminal.sendintr()
    terminal.expect("Ctrl-C once more within 2 seconds cancels it")
    terminal.sendintr()
    terminal.expect(f"cancelling task {task}")
    terminal.expect("ending")
    terminal.expect(f"task {task} cancelled after")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 121
    assert state_of(hive, task) == "cancelled"

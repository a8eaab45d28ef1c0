"""`hive map`: a command for each line, watched to the end, left and taken up again."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest

from hive.mapping.outlet import PrintedOutputs
from hive_contracts.ids import TaskId
from hive_testkit.console import HIVE, Console
from hive_testkit.waiting import until


def numbers(count: int) -> bytes:
    return b"".join(b"%d\n" % n for n in range(1, count + 1))


def group_in(text: str) -> str:
    found = re.search(r"map-\d{8}-[0-9a-f]{6}", text)
    assert found is not None
    return found[0]


def tasks_of(hive: Console, group: str) -> list[dict[str, Any]]:
    """The tasks of a group, in the order of their lines."""
    listed = hive("list", "--group", group, "--all", "--json")
    return json.loads(listed.stdout)[::-1]


@contextmanager
def on_terminal(hive: Console, *words: str) -> Generator[Any]:
    terminal = hive.on_terminal(words)
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def ended(terminal: Any) -> int:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


def test_each_line_stands_in_the_place_of_the_braces_and_meets_no_shell(
    hive: Console, tmp_path: Path
) -> None:
    lines = b"a b\n; touch here $(id) 'x\n\n{}\n"
    done = hive("map", "-k", "--", "printf", "<%s>", "x={}={}", stdin=lines, cwd=tmp_path)
    assert done.stdout == "<x=a b=a b><x=; touch here $(id) 'x=; touch here $(id) 'x><x={}={}>"
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_without_braces_the_line_is_the_last_argument(hive: Console, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"two\nlines\0one")
    words = ["--null", "--from", "lines", "--env", "A=b", "-k"]
    done = hive("map", *words, "sh", "-c", 'echo "$A $PWD [$1]"', "sh", cwd=tmp_path)
    assert done.stdout == f"b {tmp_path} [two\nlines]\nb {tmp_path} [one]\n"


def test_the_tasks_of_a_map_may_be_whatever_a_task_may_be(hive: Console) -> None:
    parent = hive("submit", "--", "true").stdout.strip()
    words = (
        *("--key", "door", "--after", parent, "--retry", "fixed(1s) only on 75", "--delay", "0s"),
        *("--max-losses", "2", "--expires-in", "1h", "--startup-timeout", "30s", "--json"),
    )
    done = hive("map", *words, "--", "cat", "{}", stdin=b"/dev/null\n/dev/null\n")
    assert done.returncode == 0, done.stderr
    tasks = [
        json.loads(hive("show", str(task["id"]), "--json").stdout)
        for task in tasks_of(hive, group_in(done.stdout))
    ]
    assert [task["key"] for task in tasks] == ["door", "door"]
    for task in tasks:
        assert (task["retry"], task["max_attempts"]) == ("fixed(1s) only on 75", 3)
        assert (task["max_losses"], task["expires_at"] is None) == (2, False)
        assert (task["payload"]["startup_seconds"], task["payload"]["parents"]) == (30, True)


def test_hundreds_of_outputs_come_whole_each_once_and_in_order_if_wanted(hive: Console) -> None:
    script = "echo {}; echo again {}"
    done = hive("map", "--", "sh", "-c", script, stdin=numbers(100))
    assert (done.returncode, done.stderr.count("100 succeeded")) == (0, 1)
    pairs = re.findall(r"(\d+)\nagain \1\n", done.stdout)
    assert sorted(map(int, pairs)) == [*range(1, 101)]
    ordered = hive("map", "--keep-order", "--", "sh", "-c", "sleep 0.0$((9 - {} % 10)); echo {}",
                   stdin=numbers(20))  # fmt: skip
    assert ordered.stdout.encode() == numbers(20)


def test_the_exit_code_is_how_many_failed_and_what_to_type_next_is_told(hive: Console) -> None:
    done = hive("map", "--", "sh", "-c", "exit $(({} % 2 * 7))", stdin=numbers(15))
    group = group_in(done.stderr)
    assert (done.returncode, done.stdout) == (8, "")
    assert f"hive: group {group}: 7 succeeded, 8 failed, after" in done.stderr
    assert re.search(r"\n  task \d+ failed: exit code 7 \(sh -c 'exit", done.stderr)
    assert f"and 3 more: `hive list --group {group} --state failed`" in done.stderr
    assert done.stderr.endswith(f"again with `hive retry --group {group} --state failed`\n")


def test_for_programs_the_ending_is_one_json_document_and_outputs_are_left_out(
    hive: Console,
) -> None:
    options = ["--json", "--group", "json-map", "--retries", "1", "--timeout", "1m"]
    done = hive("map", *options, "--priority", "5", "--", "ls", "/no/such/{}", stdin=b"place\n")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"]) == (1, 1)
    assert (told["group"], told["total"], told["failed"]) == ("json-map", 1, 1)
    [failure] = told["failures"]
    assert failure["payload"]["argv"] == ["ls", "/no/such/place"]
    shown = json.loads(hive("show", str(failure["id"]), "--json").stdout)
    assert (shown["max_attempts"], shown["priority"], shown["timeout_seconds"]) == (2, 5, 60)


def test_no_line_is_nothing_to_do(hive: Console, tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"\n\n")
    for words, stdin in ((("--from", "none"), b"x\n"), ((), b"")):
        done = hive("map", *words, "--", "echo", stdin=stdin, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.endswith("has no lines; nothing to do\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--jobs", "0", "--", "echo"), "--jobs is 0; at least 1 task runs at once"),
        (("--retries", "-1", "--", "echo"), "--retries is -1; 0 is to try once"),
        (("--jobs", "2", "--delay", "1m", "--", "echo"), "leave out --run-at and --delay"),
        (("--retries", "0", "--retry", "1s", "--", "echo"), "max_attempts 1 allows no retry"),
        (("--if-parent-fails", "run", "--", "echo"), "but the task comes after no other"),
        (("--quiet",), "no command is named; write it last"),
        (("--reattach", "g", "--", "echo"), "leave out the command ['echo']"),
        (("--reattach", "g", "--group", "h"), "leave out --group h"),
        (("--reattach", "no-such-group"), "no task has group 'no-such-group'"),
        (("--group", "a b", "--", "echo"), "a group is 1 to 200 characters without white space"),
        (("--group", "", "--", "echo"), "a group is 1 to 200 characters without white space"),
        (("--timeout", "5min", "--", "echo"), "--timeout is '5min'"),
        (("--from", "/no/file", "--", "echo"), "/no/file cannot be read"),
        (("--", ""), "argv names no program"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_line_is_read(
    hive: Console,
    in_process: Callable[..., "subprocess.CompletedProcess[str]"],
    words: tuple[str, ...],
    complaint: str,
) -> None:
    done = in_process("map", "--data-dir", str(hive.data_dir), *words)
    assert (done.returncode, done.stdout) == (125, "")
    assert complaint in done.stderr


def test_a_name_that_is_taken_is_refused(hive: Console) -> None:
    assert hive("map", "--group", "taken", "--", "true", stdin=b"1\n").returncode == 0
    done = hive("map", "--group", "taken", "--", "true", stdin=b"2\n")
    assert done.returncode == 125
    assert "choose another name, or watch it with `hive map --reattach taken`" in done.stderr
    assert len(tasks_of(hive, "taken")) == 1


def test_a_line_that_can_be_no_argument_is_named_and_how_to_go_on_after_it(hive: Console) -> None:
    refused = hive("map", "--", "echo", "x{}", stdin=b"1\n2\n\xff\n4\n")
    assert (refused.returncode, refused.stdout) == (125, "")
    group = group_in(refused.stderr)
    again = f"hive map --group {group} --from-line 3 -- echo 'x{{}}'"
    assert f"2 tasks are in, group {group}: all up to line 2, none after it" in refused.stderr
    assert again in refused.stderr
    assert (
        "hive: line 3, column 1: it is not UTF-8; leave it out, or turn the input" in refused.stderr
    )
    words = ["map", "--group", group, "--from-line", "3", "-k", "--", "echo", "x{}"]
    done = hive(*words, stdin=b"1\n2\n3\n4\n")
    assert (done.returncode, done.stdout) == (0, "x1\nx2\nx3\nx4\n")
    assert "4 succeeded" in done.stderr


def test_a_file_with_such_a_line_lets_nothing_in(hive: Console, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"1\n2\0\n")
    words = ["--from", "lines", "--group", "half", "--", "echo"]
    done = hive("map", *words, cwd=tmp_path)
    assert done.returncode == 125
    assert "because a line is refused:\n  line 2: " in done.stderr
    assert tasks_of(hive, "half") == []


def test_outputs_are_printed_while_further_lines_still_come(hive: Console) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with hive.start("map", "--", "echo", "got", **pipes) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in (b"one\n", b"two\n"):
                process.stdin.write(line)
                process.stdin.flush()
                assert process.stdout.readline() == b"got " + line
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_when_nobody_reads_the_outputs_the_tasks_go_on_and_it_says_so(hive: Console) -> None:
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    words = ["map", "--from", "/proc/self/limits", "--", "sh", "-c", "head -c 100000 /dev/zero"]
    with hive.start(*words, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            told = process.stderr.read().decode()
            assert process.wait(20) == -signal.SIGPIPE
        finally:
            process.kill()
    assert f"goes on unseen; watch it with `hive map --reattach {group_in(told)}`" in told


def test_what_the_tasks_wait_for_is_told_when_nobody_serves_the_queue(hive: Console) -> None:
    pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    with hive.start("map", "--queue", "nobody", "--", "true", **pipes) as process:
        try:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(b"x\n")
            process.stdin.close()
            assert b"no worker serves queue 'nobody'" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 123
        finally:
            process.kill()


def test_it_is_told_once_when_a_budget_sets_aside_what_is_left(hive: Console) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with hive.start("map", "--group", "costly", "--", "echo", **pipes) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(b"first\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"first\n"
            assert hive("budget", "set", "--group", "costly", "0usd").returncode == 0
            process.stdin.write(b"second\nthird\n")
            process.stdin.close()
            told = process.stderr.readline()
            assert b"budget group:costly is used up: 0.00 USD of 0.00 USD" in told
            assert b"`hive budget remove --group costly`, lets it go on" in told
            assert hive("budget", "remove", "--group", "costly").returncode == 0
            assert sorted(process.stdout.read().split()) == [b"second", b"third"]
            assert process.wait(20) == 0
            assert b"is used up" not in process.stderr.read()
        finally:
            process.kill()


def test_progress_fits_the_terminal_and_leaves_the_outputs_alone(
    hive: Console, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(numbers(12))
    gate = tmp_path / "gate"
    wait = f"test {{}} -le 8 || until test -e {gate}; do sleep 0.05; done"
    script = f"{wait}; echo output {{}}; test {{}} != 3"
    words = ["map", "--from", str(tmp_path / "lines"), "--", "sh", "-c", script]
    with on_terminal(hive, *words) as terminal:
        seen = ""
        terminal.expect(r"8 of 12 done, 4 running, 1 failed, [\d.]+/s, \d+s left")
        seen += terminal.before + terminal.after
        terminal.expect("exit code 1")
        seen += terminal.before + terminal.after
        gate.touch()
        terminal.expect("11 succeeded, 1 failed")
        seen += terminal.before
        assert ended(terminal) == 1
    drawn = re.split(r"\r\n|\r|\n", re.sub(r"\x1b\[[0-9]*[A-Z]", "\n", seen))
    assert max(map(len, drawn)) < 80
    assert {f"output {n}" for n in range(1, 13)} <= set(drawn)


def test_ctrl_c_detaches_and_watched_again_only_what_was_not_printed_is(
    hive: Console, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(numbers(6))
    gate = tmp_path / "gate"
    script = f"test {{}} -le 2 || until test -e {gate}; do sleep 0.05; done; echo out {{}}; exit 1"
    words = ["map", "--from", str(tmp_path / "lines"), "--", "sh", "-c", script]
    with on_terminal(hive, *words) as terminal:
        for _ in range(2):
            terminal.expect(r"out [12]\r\n")
        terminal.expect("4 running|2 of 6 done")
        terminal.sendintr()
        terminal.expect("goes on without you; watch it again with")
        terminal.expect(r"hive map --reattach (\S+)\r\n")
        group = terminal.match[1]
        terminal.expect(f"call it off with `hive cancel --group {group}`")
        assert ended(terminal) == 123
    gate.touch()
    done = hive("map", "--reattach", group, "--keep-order")
    assert done.returncode == 6
    assert done.stdout == "out 3\nout 4\nout 5\nout 6\n"
    assert f"group {group}: 6 failed" in done.stderr
    # All have been printed and told of: now it is anybody's to see them all again.
    again = hive("map", "--reattach", group)
    assert (again.returncode, again.stdout.count("out ")) == (6, 6)


def test_a_second_ctrl_c_cancels_what_is_left_and_waits_for_its_end(
    hive: Console, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(numbers(50))
    words = ["map", "--from", str(tmp_path / "lines"), "--", "sh", "-c", "echo {}; sleep 60"]
    with on_terminal(hive, *words) as terminal:
        terminal.expect("of 50 done, 4 running")
        terminal.sendintr()
        terminal.expect("Ctrl-C once more within 2 seconds")
        terminal.sendintr()
        terminal.expect(r"cancelling what is left of group (\S+)")
        group = terminal.match[1]
        terminal.expect(f"group {group}: 50 cancelled")
        assert ended(terminal) == 121
    assert {task["state"] for task in tasks_of(hive, group)} == {"cancelled"}


def test_a_limit_holds_whoever_dies_and_who_watches_again_goes_on(
    hive: Console, tmp_path: Path
) -> None:
    # Each notes how many run beside it.
    script = f"cd {tmp_path}; touch run-{{}}; ls -d run-* | wc -l; sleep 0.1; rm run-{{}}"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    words = ["map", "--jobs", "2", "--group", "few", "--", "sh", "-c", script]
    with hive.start(*words, **pipes) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(numbers(20))
            process.stdin.close()
            first = process.stdout.readline()
        finally:
            process.kill()
    states = [task["state"] for task in tasks_of(hive, "few")]
    assert len(states) == 20
    assert states.count("scheduled") >= 10
    refused = hive("map", "--reattach", "few")
    assert refused.returncode == 125
    assert "say how many, as in `hive map --reattach few --jobs 8`" in refused.stderr
    done = hive("map", "--reattach", "few", "--jobs", "2")
    assert done.returncode == 0
    assert "20 succeeded" in done.stderr
    assert {int(line) for line in (first + done.stdout.encode()).split()} <= {1, 2}


def test_what_was_printed_is_remembered_of_any_group_and_forgotten(tmp_path: Path) -> None:
    for group in ("plain", "../up", "é" * 200):
        printed = PrintedOutputs(tmp_path, group)
        printed.add([TaskId(7)])
        printed.add([TaskId(9)])
        assert printed.read() == {7, 9}
        printed.forget()
        assert printed.read() == set()
    assert [entry.name for entry in tmp_path.iterdir()] == ["maps"]
    assert list((tmp_path / "maps").iterdir()) == []


def test_a_number_that_was_written_in_part_is_no_task(tmp_path: Path) -> None:
    printed = PrintedOutputs(tmp_path, "g")
    printed.add([TaskId(7)])
    [file] = (tmp_path / "maps").iterdir()
    file.write_text(f"{file.read_text()}12")
    assert printed.read() == {7}


def test_ctrl_c_before_any_line_is_one_sentence(hive: Console) -> None:
    with on_terminal(hive, "map", "--group", "never", "--", "echo") as terminal:
        terminal.expect("Ctrl-D ends them")
        terminal.sendintr()
        code = ended(terminal)
        told = terminal.before
    assert code == 130
    assert "goes on" not in told
    assert tasks_of(hive, "never") == []


async def test_what_was_printed_is_remembered_though_the_watcher_is_killed(
    hive: Console, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(numbers(3))
    gate = tmp_path / "gate"
    script = f"test {{}} -le 2 || until test -e {gate}; do sleep 0.05; done; echo out {{}}"
    words = ["map", "--group", "killed", "--from", str(tmp_path / "lines"), "--", "sh", "-c"]
    memory = PrintedOutputs(hive.data_dir, "killed")
    with hive.start(*words, script, stdout=subprocess.DEVNULL) as process:
        try:
            await until(lambda: len(memory.read()) == 2, within_seconds=30)
        finally:
            process.kill()
    gate.touch()
    done = hive("map", "--reattach", "killed")
    assert (done.returncode, done.stdout) == (0, "out 3\n")


@pytest.mark.parametrize(
    "words",
    [
        ("map", "--", "echo"),
        ("submit", "command", "--payload", "-"),
        ("submit", "--jsonl", "-"),
        ("cancel", "-"),
    ],
)
def test_a_closed_standard_input_is_a_sentence(no_hive: Console, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" <&-', HIVE, *words],
        env=no_hive.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (125 if words[0] == "map" else 2)
    assert done.stderr.startswith("hive: standard input is closed")
    assert done.stderr.count("\n") == 1


def test_where_nothing_can_be_remembered_there_is_nothing_to_forget(tmp_path: Path) -> None:
    (tmp_path / "maps").touch()
    printed = PrintedOutputs(tmp_path, "g")
    printed.forget()
    assert printed.read() == set()

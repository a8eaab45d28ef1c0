"""`hive attach` and `hive send`: people speak with tasks that run, over Redis."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pexpect
import pytest

from hive.talking import sending
from hive_testkit.console import Console
from hive_testkit.desk import Desk

pytestmark = pytest.mark.timeout(600)

PROMPT = "at your word> "
LEAVE = "\x11"


def submit(hive: Console, *words: str) -> str:
    done = hive("submit", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def submit_shell(hive: Console) -> str:
    return submit(hive, "--pty", "--env", "PS1=at your word> ", "--", "sh", "-i")


def logs_of(hive: Console, task: str) -> str:
    return hive("logs", "--follow", task).stdout


def ended(terminal: Any) -> int:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


def test_what_is_sent_is_read_up_to_the_end_that_is_sent(hive: Console, tmp_path: Path) -> None:
    task = submit(hive, "--stdin", "open", "--", "cat")
    file = tmp_path / "more"
    file.write_bytes(b"from a file\n\x00" + b"x" * 100_000)
    assert hive("send", task, "typed", "--key", "enter").returncode == 0
    assert hive("send", task, "--file", str(file)).returncode == 0
    assert hive("send", task, "--file", "-", "--eof", stdin=b"\nlast").returncode == 0
    wanted = b"typed\n" + file.read_bytes() + b"\nlast"
    assert logs_of(hive, task).encode() == wanted


def test_a_task_that_reads_nothing_or_has_ended_is_told_apart(hive: Console) -> None:
    task = submit(hive, "--", "true")
    hive("logs", "--follow", task)
    late = hive("send", task, "x")
    assert late.returncode == 2
    assert f"task {task} has ended: succeeded; `hive logs {task}` has its output" in late.stderr
    running = submit(hive, "--", "sleep", "60")
    refused = hive("send", running, "x")
    assert refused.returncode == 2
    assert "submit such tasks with --stdin open, or with --pty" in refused.stderr
    refused = hive("attach", running)
    assert "submit such tasks with --pty" in refused.stderr
    hive("cancel", running)


def test_nothing_to_send_and_unknown_keys_are_refused_by_name(desk: Desk) -> None:
    assert "say what to send: TEXT, --file, --key or --eof" in desk("send", "1").stderr
    [task] = desk.submit(1, kind="command", payload={"argv": ["cat"], "stdin_open": True})
    done = desk("send", str(task), "--key", "any")
    assert "no key is called 'any'; keys: backspace, delete" in done.stderr
    missing = desk("send", str(task), "--file", "/nowhere/to/be")
    assert "/nowhere/to/be cannot be read: No such file" in missing.stderr


def test_a_task_that_does_not_run_is_said_not_to_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0.5)
    [task] = desk.submit(1, kind="command", payload={"argv": ["cat"], "stdin_open": True})
    done = desk("send", str(task), "x")
    assert done.returncode == 1
    assert f"task {task} is queued: nothing of it runs that could read" in done.stderr


def test_only_open_is_an_input(desk: Desk) -> None:
    done = desk("submit", "--stdin", "closed", "--", "cat")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--stdin is 'closed'; it can only be open" in done.stderr


def test_a_terminal_is_for_a_command(desk: Desk) -> None:
    done = desk("submit", "call", "--pty")
    assert "--pty is for a command" in done.stderr


def test_without_a_terminal_here_nobody_sits_at_one(hive: Console) -> None:
    task = submit_shell(hive)
    done = hive("attach", task)
    assert done.returncode == 2
    assert f"this needs a terminal; see it with `hive logs -f {task}`" in done.stderr
    # What is typed for it all the same is typed.
    assert hive("send", task, "exit 5", "--key", "enter").returncode == 0
    assert "exit 5" in logs_of(hive, task)


def test_a_person_types_leaves_and_comes_back(hive: Console) -> None:
    task = submit_shell(hive)
    terminal = hive.on_terminal(["attach", task])
    terminal.expect(f"at the terminal of task {task}; ctrl-q leaves it")
    terminal.expect(PROMPT)
    terminal.send("stty size\r")
    terminal.expect("24 80")
    terminal.setwinsize(50, 132)
    terminal.expect(PROMPT)

    # The size is on its way beside what is typed.
    for _ in range(100):
        terminal.send("stty size\r")
        if terminal.expect(["50 132", "24 80"]) == 0:
            break
    terminal.send("sleep 60\r")
    terminal.expect("sleep 60")
    terminal.send("\x03")
    terminal.expect(PROMPT)
    terminal.send(LEAVE)
    terminal.expect(f"detached; task {task} goes on. Come back with `hive attach {task}`")
    assert ended(terminal) == 123

    assert json.loads(hive("show", task, "--json").stdout)["state"] == "running"
    assert f"next: hive attach {task} | hive logs -f {task}" in hive("show", task).stdout
    again = hive.on_terminal(["attach", task])
    again.expect("50 132")
    again.send("exit 7\r")
    again.expect(f"task {task} failed: exit code 7")
    assert ended(again) == 7
    # All of it is durable, as the output of any task.
    assert "50 132" in logs_of(hive, task)
    deeds = [deed["what"] for deed in json.loads(hive("audit", "--json").stdout)[:2]]
    assert deeds == ["attach", "attach"]


def test_two_people_at_one_terminal_see_the_same(hive: Console) -> None:
    task = submit_shell(hive)
    one, other = hive.on_terminal(["attach", task]), hive.on_terminal(["attach", task])
    one.expect(PROMPT)
    other.expect(PROMPT)
    one.send("echo from-$((40+2))\r")
    other.expect("from-42")
    other.send("exit\r")
    assert (ended(one), ended(other)) == (0, 0)


def test_a_run_with_a_terminal_is_at_it_and_ends_with_its_exit_code(hive: Console) -> None:
    script = "stty size; read a; echo got-$a; exit 3"
    terminal = hive.on_terminal(["run", "--pty", "--", "sh", "-c", script])
    terminal.expect("24 80")
    terminal.send("it\r")
    terminal.expect("got-it")
    assert ended(terminal) == 3


def test_a_run_that_ends_at_once_has_shown_its_output(hive: Console) -> None:
    terminal = hive.on_terminal(["run", "--pty", "--", "sh", "-c", "echo quick-$((40+2))"])
    terminal.expect("quick-42")
    assert ended(terminal) == 0


def test_a_run_in_a_workspace_shows_its_output_once_and_what_is_left(
    hive: Console, tmp_path: Path
) -> None:
    repo = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "a").write_text("one")
    subprocess.run(["git", "add", "."], cwd=repo, check=True)
    name = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(["git", *name, "commit", "-qm", "first"], cwd=repo, check=True)
    setup = ("--setup", "echo this-is-the-setup-of-it")
    script = "stty -echo; echo begun-$((40+1)); read a; echo $a > a; echo ended-$((40+2))"
    words = ["run", "--pty", "--repo", str(repo), *setup, "--", "sh", "-c", script]
    terminal = hive.on_terminal(words)
    terminal.expect("begun-41")
    terminal.send("two\r")
    terminal.expect(pexpect.EOF)
    assert terminal.before.count("ended-42") == 1
    # The end of the output is read in the store, from where the terminal has left off.
    assert "begun-41" not in terminal.before
    assert "setup-of-it" not in terminal.before
    assert re.search(r"it has changed 1 file; review: hive diff \d+ \|", terminal.before)
    assert ended(terminal) == 0


def test_a_run_with_a_terminal_watches_an_earlier_task_that_has_none(
    hive: Console, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    task = submit(hive, "--unique", "shell", "--", "cat", str(pipe))
    terminal = hive.on_terminal(["run", "--pty", "--unique", "shell", "--", "sh"])
    terminal.expect(f"nothing is added: task {task} has the unique key 'shell'")
    pipe.write_text("it was the other one\n")
    terminal.expect("it was the other one")
    terminal.expect(pexpect.EOF)
    assert "at the terminal of" not in terminal.before
    assert ended(terminal) == 0


def test_a_run_with_a_terminal_sits_at_an_earlier_task_that_has_one(hive: Console) -> None:
    task = submit(hive, "--pty", "--unique", "shell", "--", "sh", "-c", "read a; echo got-$a")
    terminal = hive.on_terminal(["run", "--pty", "--unique", "shell", "--", "sh"])
    terminal.expect(f"nothing is added: task {task} has the unique key 'shell'")
    terminal.expect(f"at the terminal of task {task}")
    terminal.send("it\r")
    terminal.expect("got-it")
    assert ended(terminal) == 0


def test_a_run_with_a_terminal_and_nobody_at_one_shows_its_output(hive: Console) -> None:
    done = hive("run", "--pty", "--", "sh", "-c", "test -t 1 && echo on one")
    assert (done.returncode, done.stdout) == (0, "on one\r\n")


def test_a_terminal_is_given_back_as_it_was(hive: Console) -> None:
    script = r"printf '\033[?1049h\033[?25lfull'; read a"
    terminal = hive.on_terminal(["run", "--pty", "--", "sh", "-c", script])
    terminal.expect("full")
    terminal.send(LEAVE)
    # The screen of before, and a cursor.
    terminal.expect(re.escape("\x1b[?1049l"))
    terminal.expect(re.escape("\x1b[?25h"))
    found = re.search(r"task (\d+) goes on", terminal.read())
    assert found is not None
    assert hive("cancel", "--wait", found[1]).returncode == 0

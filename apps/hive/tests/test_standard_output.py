"""Output that cannot be written: a full disk, a closed descriptor, a reader that has left."""

import json
import re
import signal
import subprocess
from collections.abc import Sequence

import pytest

from hive_testkit.console import HIVE, Console

FULL = "hive: standard output cannot be written: No space left on device\n"
CLOSED = "hive: standard output cannot be written: Bad file descriptor\n"


def redirected(
    hive: Console, redirection: str, words: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    """Run `hive WORDS` with a redirection of the shell."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", HIVE, *words],
        env=hive.environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def task(hive: Console) -> str:
    """A task that has written something."""
    words = ("submit", "command", "--payload", '{"argv": ["echo", "seen"]}', "--wait", "--json")
    return str(json.loads(hive(*words).stdout)["id"])


@pytest.mark.parametrize(
    ("words", "redirection", "sentence"),
    [
        (["status"], ">/dev/full", FULL),
        (["show", "TASK", "--json"], ">/dev/full", FULL),
        (["logs", "TASK"], ">/dev/full", FULL),
        (["--help"], ">/dev/full", FULL),
        (["status"], ">&-", CLOSED),
        (["logs", "TASK"], ">&-", CLOSED),
        (["--version"], ">&-", CLOSED),
    ],
)
def test_what_cannot_be_written_is_one_sentence_and_exit_code_120(
    hive: Console, task: str, words: list[str], redirection: str, sentence: str
) -> None:
    done = redirected(hive, redirection, [task if word == "TASK" else word for word in words])
    assert (done.returncode, done.stderr) == (120, sentence)


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_a_task_goes_on_when_its_output_cannot_be_written(hive: Console, redirection: str) -> None:
    done = redirected(hive, redirection, ["run", "--", "sh", "-c", "echo one; sleep 0.3; echo two"])
    assert done.returncode == 120
    told = re.match(
        r"hive: task (\d+) goes on unseen; watch it with `hive logs -f \1`\n", done.stderr
    )
    assert told is not None
    assert done.stderr[told.end() :] == (FULL if "full" in redirection else CLOSED)
    assert hive("logs", "-f", told[1]).stdout == "one\ntwo\n"


@pytest.mark.parametrize("words", [["status"], ["logs", "TASK"], ["--help"]])
def test_a_reader_that_has_left_ends_a_command_quietly_as_any_program_in_a_pipe(
    hive: Console, task: str, words: list[str]
) -> None:
    told = [task if word == "TASK" else word for word in words]
    with hive.start(*told, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == -signal.SIGPIPE


def test_messages_that_nobody_can_read_stop_nothing(hive: Console) -> None:
    for redirection in ("2>&-", "2>/dev/full", "<&- 2>&-"):
        done = redirected(hive, redirection, ["run", "-v", "--", "echo", "seen"])
        assert (done.returncode, done.stdout) == (0, "seen\n")


def test_an_error_stream_that_cannot_be_written_ends_the_watching(hive: Console) -> None:
    done = redirected(hive, "2>/dev/full", ["run", "--", "sh", "-c", "echo lost >&2"])
    assert (done.returncode, done.stdout) == (120, "")

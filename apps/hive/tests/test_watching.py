"""`hive status --watch`: a page that is drawn again and again, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from hive_testkit.console import Console

ENTERED, LEFT = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"


@pytest.fixture
def terminal(hive: Console) -> Iterator[Any]:
    """`hive status --watch` on a terminal of 80 columns and 24 lines, with its first page drawn."""
    screen = hive.on_terminal(["status", "--watch", "--interval", "100ms"])
    try:
        screen.expect_exact(ENTERED)
        screen.expect("Ctrl-C ends it")
        yield screen
    finally:
        screen.close(force=True)


def page(screen: Any) -> list[str]:
    """The next whole page, without what places it."""
    screen.expect_exact("\033[H")
    screen.expect_exact("\033[J")
    return re.sub(r"\033\[K", "", screen.before).split("\r\n")


def test_a_page_is_drawn_over_the_last_and_fits_the_terminal(hive: Console, terminal: Any) -> None:
    later = ("submit", "command", "--payload", '{"argv": ["true"]}', "--delay", "1h")
    hive(*later, "--queue", "watched")
    # The Hive has what other tests left in it, and its queue may be below the 24th line.
    terminal.setwinsize(500, 80)
    lines = page(terminal)
    while not any(line.startswith("watched") for line in lines):
        lines = page(terminal)
    terminal.setwinsize(24, 80)
    while len(lines) > 24:
        lines = page(terminal)
    assert max(map(len, lines)) <= 80


def test_a_smaller_terminal_gets_a_smaller_page(terminal: Any) -> None:
    terminal.setwinsize(6, 40)
    lines = page(terminal)
    while len(lines) > 6:
        lines = page(terminal)
    assert len(lines) == 6
    assert max(map(len, lines)) <= 40
    assert re.fullmatch(r"\.\.\. \d+ more lines", lines[-1])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(
    terminal: Any, number: signal.Signals, code: int
) -> None:
    terminal.kill(number)
    terminal.expect_exact(LEFT)
    assert terminal.read() == ""
    terminal.close()
    assert terminal.exitstatus == code


def test_ctrl_c_is_such_a_signal(terminal: Any) -> None:
    terminal.sendintr()
    terminal.expect_exact(LEFT)
    terminal.read()
    terminal.close()
    assert terminal.exitstatus == 130


def test_off_a_terminal_pages_follow_one_another_without_motion(hive: Console) -> None:
    words = ("status", "--watch", "--interval", "100ms")
    with hive.start(*words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        text = b""
        while text.count(b"-- 20") < 2:
            text += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(20) == 130
    assert b"\033" not in text
    assert b"QUEUE" in text


def test_json_is_a_document_a_line(hive: Console) -> None:
    words = ("status", "--watch", "--interval", "100ms", "--json")
    with hive.start(*words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.stdout.close()
        assert process.wait(20) == -signal.SIGPIPE
    assert first["at"] < second["at"]
    assert first["workers"][0]["slots"] == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--interval", "2s"], "--interval is for --watch"),
        (["--watch", "--interval", "1ms"], "it must be at least 100ms"),
        (["--watch", "--interval", "soon"], "write it like 30s"),
    ],
)
def test_an_interval_that_makes_no_sense_is_refused(
    no_hive: Console, words: list[str], sentence: str
) -> None:
    done = no_hive("status", *words)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_it_outlives_a_restart_of_postgres_and_says_so(hive: Console, terminal: Any) -> None:
    words = ("status", "--watch", "--interval", "100ms", "--json")
    with hive.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        pid_file = hive.data_dir / "postgres" / "postmaster.pid"
        first = int(pid_file.read_text().split()[0])
        os.kill(first, signal.SIGKILL)
        terminal.expect("as of .*still trying")
        assert process.stderr.readline().endswith(b"; still trying\n")
        assert process.stderr.readline() == b"hive: Postgres is back\n"
        assert json.loads(process.stdout.readline())["at"]
        process.terminate()
        process.stdout.read()
    while any("still trying" in line for line in page(terminal)):
        pass

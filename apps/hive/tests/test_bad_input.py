"""Bad input, typed at the real command line: told in one sentence, and nothing is queued."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from hive import up_state
from hive_testkit.console import Console

QUEUE = "refused"
NOT_UTF8 = os.fsdecode(b"\xff")
DEEP = 100_000


Done: TypeAlias = "subprocess.CompletedProcess[str]"
Typed: TypeAlias = Callable[..., Done]


@pytest.fixture
def typed(hive: Console, in_process: Typed, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """The command line, pointed at the session's Hive."""
    monkeypatch.setenv("HIVE_DATA_DIR", str(hive.data_dir))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(hive.data_dir))
    return in_process


@pytest.fixture
def payload_file(tmp_path: Path) -> Callable[[bytes], str]:
    """A function that gives `--payload`'s word for a file with these bytes."""

    def write(data: bytes) -> str:
        (tmp_path / "payload.json").write_bytes(data)
        return f"@{tmp_path / 'payload.json'}"

    return write


def assert_refused(done: Done, complaint: str) -> None:
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hive: ")
    assert done.stderr.count("\n") == 1
    assert complaint in done.stderr


def queued(hive: Console) -> int:
    """How many tasks of this module's queue there are."""
    state = up_state.read(hive.data_dir)
    assert state is not None

    async def count() -> int:
        connection = await asyncpg.connect(state.database_url)
        try:
            return await connection.fetchval(
                "select count(*) from hive.task where queue = $1", QUEUE
            )
        finally:
            await connection.close()

    return asyncio.run(count())


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ('{"argv": ["a", 3]}', "at `$.argv[1]`"),
        ('{"argv": ["a"], "env": {"A": 1}}', "at `$.env["),
        ('{"argv": ["a"], "cwd": 5}', "Expected `str | null`, got `int` - at `$.cwd`"),
        ('{"argv": ["a"], "ok_codes": [0, "1"]}', "at `$.ok_codes[1]`"),
        ('{"argv": ["a"], "env": {"A=B": "x"}}', "no variable can have: 'A=B'"),
        ('{"argv": []}', "argv names no program"),
        ("{}", "it lacks the field 'argv'"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"argv": ["a\\u0000b"]}', "does not suit kind 'command': it holds a NUL character"),
        ('{"argv": ["\\ud800"]}', "does not suit kind 'command': it holds text that is not UTF-8"),
        (f'{{"argv": ["{NOT_UTF8}"]}}', "it holds text that is not UTF-8"),
        ('{"argv": ["a"], "argv": ["b"]}', "an object names 'argv' twice"),
        ('{"argv": ["a"], "env": {"A": "1", "A": "2"}}', "an object names 'A' twice"),
        ('{"argv": ["a"], "x": 1e999}', "1e999 is too large a number"),
        (f'{{"argv": [{"9" * 5000}]}}', "a number has 5,000 digits; at most 1,000 are read"),
        ('{"argv": [Infinity]}', "Infinity is no JSON number"),
        ("[" * DEEP + "]" * DEEP, "--payload is nested too deeply"),
        ("", "--payload is not JSON at line 1, column 1"),
        ("@", "names no file; write --payload @FILE"),
        ("@/", "/ cannot be read: Is a directory"),
    ],
)  # fmt: skip
def test_a_payload_that_cannot_be_used_is_told_with_its_field_or_place(
    hive: Console, typed: Typed, payload: str, complaint: str
) -> None:
    done = typed("submit", "command", "--queue", QUEUE, "--payload", payload)
    assert_refused(done, complaint)
    assert queued(hive) == 0


def test_a_file_that_is_not_utf8_is_told_with_the_byte(
    hive: Console, typed: Typed, payload_file: Callable[[bytes], str]
) -> None:
    word = payload_file(b'{"argv": ["\xff"]}')
    done = typed("submit", "command", "--queue", QUEUE, "--payload", word)
    assert_refused(done, f"{word[1:]} is not UTF-8 at byte 11")
    assert queued(hive) == 0


def test_a_payload_over_the_cap_is_refused_with_the_way_out(
    hive: Console, typed: Typed, payload_file: Callable[[bytes], str]
) -> None:
    word = payload_file(json.dumps({"argv": ["x" * (1 << 20)]}).encode())
    done = typed("submit", "command", "--queue", QUEUE, "--payload", word)
    assert_refused(done, "the payload is 1,048,589 bytes; at most 1,048,576 (1 MiB) are kept.")
    assert "Put it into a file" in done.stderr
    assert queued(hive) == 0


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--priority", "-1"], "from 0 (most urgent) to 32767 (least), not -1"),
        (["--priority", "32768"], "from 0 (most urgent) to 32767 (least), not 32768"),
        (["--timeout", "0s"], "longer than nothing, not 0 s; leave it out for no limit"),
        (
            ["--timeout", "-5s"],
            "--timeout is '-5s', which is negative; write it like 30s, 5m",
        ),
        (["--timeout", ""], "--timeout is ''; write it like"),
        (["--timeout", "9" * 30 + "d"], "which is too long"),
        (["--delay", "5 minutes"], "--delay is '5 minutes'; write it like 30s"),
        (["--delay", ""], "--delay is ''; write it like"),
        (["--run-at", ""], "--run-at is ''; write it like 2030-01-31T17:00"),
        (["--run-at", "9999-01-01T00:00"], "run_at is before 9000-01-01, not 9999-01-01"),
        (["--run-at", "2030-01-01T00:00", "--delay", ""], "give one of them"),
        (["--max-attempts", "0"], "max_attempts is from 1 to 1,000,000, not 0"),
        (["--max-losses", "-1"], "max_losses is from 0 to 1,000,000, not -1"),
        (["--queue", "a b"], "a queue is 1 to 200 characters without white space, not 'a b'"),
        (["--queue", NOT_UTF8], "a queue is 1 to 200 characters"),
        (["--queue", ""], "a queue is 1 to 200 characters"),
    ],
)
def test_an_option_that_cannot_be_is_told_with_its_value_and_what_it_may_be(
    hive: Console, typed: Typed, flags: list[str], complaint: str
) -> None:
    words = ["submit", "command", "--payload", '{"argv": ["true"]}']
    assert_refused(typed(*words, "--queue", QUEUE, *flags), complaint)
    assert queued(hive) == 0


def test_an_unknown_kind_is_told_with_the_known_ones(hive: Console, typed: Typed) -> None:
    done = typed("submit", "sing", "--queue", QUEUE)
    assert_refused(done, "no executor for kind 'sing'; installed: ")
    assert queued(hive) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--timeout", "0s", "--", "true"], "longer than nothing"),
        (["--timeout", "", "--", "true"], "--timeout is ''"),
        (["--priority", "40000", "--", "true"], "not 40000"),
        (["--env", "NAME", "--", "true"], "--env needs NAME=VALUE; it got 'NAME'"),
        (["--", NOT_UTF8], "it holds text that is not UTF-8"),
    ],
)
def test_a_run_that_cannot_be_queued_ends_with_the_code_for_that(
    hive: Console, typed: Typed, words: list[str], complaint: str
) -> None:
    done = typed("run", "--queue", QUEUE, *words)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.count("\n") == 1
    assert complaint in done.stderr
    assert queued(hive) == 0


@pytest.mark.parametrize("command", ["show", "logs"])
def test_an_id_that_no_task_can_have_is_an_unknown_task(typed: Typed, command: str) -> None:
    assert_refused(typed(command, "9" * 25), f"there is no task {'9' * 25}")
    assert_refused(typed(command, str(2**63 - 1)), f"there is no task {2**63 - 1}")


def test_a_moment_in_the_past_is_told_and_the_task_runs_at_once(typed: Typed) -> None:
    words = ["submit", "command", "--payload", '{"argv": ["true"]}', "--wait", "--json"]
    done = typed(*words, "--run-at", "2001-01-01T00:00")
    assert done.returncode == 0
    assert json.loads(done.stdout)["state"] == "succeeded"
    assert "ago, so the task is due at once" in done.stderr
    assert "ago" not in typed(*words, "--delay", "0s").stderr


def test_a_byte_order_mark_is_no_part_of_a_payload(
    typed: Typed, payload_file: Callable[[bytes], str]
) -> None:
    word = payload_file(b'\xef\xbb\xbf{"argv": ["true"]}')
    done = typed("submit", "command", "--payload", word, "--wait", "--json")
    assert json.loads(done.stdout)["state"] == "succeeded"

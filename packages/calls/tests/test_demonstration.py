"""Hive's own functions, as a worker with default settings runs them."""

import tokenize
from pathlib import Path
from typing import Any

import pytest

from hive_calls.demonstration import count_tokens, measure_lag
from hive_calls.executor import CallExecutor
from hive_contracts.execution import Tools
from hive_contracts.outcomes import Failed, Succeeded
from hive_testkit.attempts import RecordingAttempt

SOURCE = """\
# The answer.
def answer(question):
    return 42 if question else question.\\
        answer
"""


def test_tokens_are_counted_by_kind(tmp_path: Path):
    path = tmp_path / "answer.py"
    path.write_text(SOURCE)

    assert count_tokens(str(path)) == {
        "path": str(path),
        "lines": 4,
        "tokens": 20,
        "distinct_names": 2,
        "kinds": {
            "COMMENT": 1,
            "DEDENT": 1,
            "INDENT": 1,
            "KEYWORD": 4,
            "NAME": 5,
            "NEWLINE": 2,
            "NL": 1,
            "NUMBER": 1,
            "OP": 4,
        },
    }


def test_every_token_of_a_real_source_is_counted_once():
    path = tokenize.__file__
    with tokenize.open(path) as source:
        expected = sum(1 for _ in tokenize.generate_tokens(source.readline)) - 1

    counted = count_tokens(path)

    assert counted["tokens"] == expected == sum(counted["kinds"].values())
    assert counted == count_tokens(path)


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"f(", tokenize.TokenError), (b"# coding: klingon\n", SyntaxError), (b"\xff", SyntaxError)],
)
def test_a_broken_file_raises_the_true_error(
    tmp_path: Path, content: bytes, error: type[Exception]
):
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    with pytest.raises(error):
        count_tokens(str(path))


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ({"function": "hive_calls.demonstration:noop"}, {"ok": True}),
        ({"function": "hive_calls.demonstration:echo", "args": [[1, None, "é"]]}, [1, None, "é"]),
    ],
)
async def test_they_may_be_called_by_default(spawner: Any, payload: Any, result: object):
    async with CallExecutor.open(Tools(spawner=spawner)) as executor:
        assert await executor.run(RecordingAttempt.of("call", payload)) == Succeeded(result)


async def test_a_missing_file_fails_with_the_error_of_the_system(spawner: Any):
    payload = {"function": "hive_calls.demonstration:count_tokens", "args": ["/nowhere.py"]}
    async with CallExecutor.open(Tools(spawner=spawner)) as executor:
        outcome = await executor.run(RecordingAttempt.of("call", payload))
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("FileNotFoundError: [Errno 2]")


async def test_a_no_op_needs_no_child(spawner: Any):
    payload = {"function": "hive_calls.demonstration:noop"}
    async with CallExecutor.open(Tools(spawner=spawner)) as executor:
        await executor.run(RecordingAttempt.of("call", payload))
    assert spawner.started == []


async def test_the_lag_of_the_loop_is_measured_in_it():
    late = await measure_lag(seconds=0.05)
    assert late["ticks"] >= 1
    assert 0 <= late["p50_ms"] <= late["p99_ms"] <= late["most_ms"]

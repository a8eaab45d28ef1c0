"""Processes start without what libraries import and Hive does not use; who uses it has it."""

import json
import subprocess
import sys

import pytest

LOADED = (
    "dear = {'jwt', 'cryptography.hazmat', 'rich', 'pygments'}\n"
    "print(json.dumps(sorted(dear & {*sys.modules})))\n"
)


def printed(program: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{program}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_process_of_hive_starts_without_them() -> None:
    assert printed(f"import hive_bus.bus, hive_telemetry.logs\n{LOADED}") == [[]]


def test_whoever_shows_tracebacks_in_colours_has_the_whole_of_them() -> None:
    program = (
        "import hive_telemetry.logs, io, structlog\n"
        "shown = io.StringIO()\n"
        "try:\n    1 / 0\n"
        "except ZeroDivisionError:\n"
        "    structlog.dev.RichTracebackFormatter()(shown, sys.exc_info())\n"
        "print(json.dumps('Traceback' in shown.getvalue()))\n"
        "print(json.dumps(structlog.tracebacks.to_repr([0] * 9, max_length=3)))\n"
        "import rich.traceback\n"
        "print(json.dumps(isinstance(rich.traceback.Traceback, type)))\n"
    )
    assert printed(program) == [True, "[0, 0, 0, ... +6]", True]


@pytest.mark.parametrize("first", ["import hive_bus.bus\n", "import jwt\nimport hive_bus.bus\n"])
def test_whoever_uses_tokens_has_the_whole_of_them(first: str) -> None:
    program = (
        f"{first}import redis.auth.token, jwt\n"
        "token = jwt.encode({'exp': 1}, 'x' * 32)\n"
        "read = redis.auth.token.jwt.decode(token, options={'verify_signature': False})\n"
        f"print(json.dumps([read, jwt.algorithms.has_crypto]))\n{LOADED}"
    )
    assert printed(program) == [[{"exp": 1}, True], ["cryptography.hazmat", "jwt"]]

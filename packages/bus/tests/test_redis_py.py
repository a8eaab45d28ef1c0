"""A client of Redis is imported without what it does not use, and whoever uses that has it."""

import json
import subprocess
import sys

import pytest

LOADED = "print(json.dumps(sorted({'jwt', 'cryptography.hazmat'} & {*sys.modules})))\n"


def printed(program: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{program}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_bus_imports_no_tokens_and_no_cryptography() -> None:
    assert printed(f"import hive_bus.bus\n{LOADED}") == [[]]


@pytest.mark.parametrize("first", ["import hive_bus.bus\n", "import jwt\nimport hive_bus.bus\n"])
def test_whoever_uses_tokens_has_the_whole_of_them(first: str) -> None:
    program = (
        f"{first}import redis.auth.token, jwt\n"
        "token = jwt.encode({'exp': 1}, 'x' * 32)\n"
        "read = redis.auth.token.jwt.decode(token, options={'verify_signature': False})\n"
        f"print(json.dumps([read, jwt.algorithms.has_crypto]))\n{LOADED}"
    )
    assert printed(program) == [[{"exp": 1}, True], ["cryptography.hazmat", "jwt"]]

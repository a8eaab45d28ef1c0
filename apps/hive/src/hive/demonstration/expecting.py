"""The right answers, computed directly: the same work without Hive, for comparing afterwards.

As a program (`python -m hive.demonstration.expecting`) it reads paths from its standard input and
prints their answers, both as JSON; one runs on each processor. It dies with whoever started it.
"""

import asyncio
import json
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from hive.demonstration.digest import digest_of
from hive.parenthood import DIE_WITH_PARENT, die_with_parent
from hive_calls.demonstration import count_tokens
from hive_contracts.errors import ServiceUnavailableError

__all__ = ["Answer", "Expectation", "expectations"]

PROGRAM: Final = (sys.executable, "-P", "-m", "hive.demonstration.expecting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a piece of work comes to: a value, or an error."""

    value: Any = None
    error: str | None = None
    """The exception as Python's interpreter prints it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the two tasks of one file must come to."""

    digest: Answer
    tokens: Answer


async def expectations(paths: Sequence[str]) -> dict[str, Expectation]:
    """Return the right answers for files, by path; computed by as many processes as there are CPUs.

    Raises:
        ServiceUnavailableError: a process did not finish.
    """
    count = len(os.sched_getaffinity(0))
    async with asyncio.TaskGroup() as group:
        shares = [
            group.create_task(_share(paths[number::count]))
            for number in range(min(count, len(paths)))
        ]
    return {path: answer for share in shares for path, answer in share.result().items()}


async def _share(paths: Sequence[str]) -> dict[str, Expectation]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, DIE_WITH_PARENT: str(os.getpid())},
        start_new_session=True,
    )
    try:
        printed, _ = await process.communicate(json.dumps(paths).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ServiceUnavailableError(f"{' '.join(PROGRAM)} ended with {process.returncode}")
    return {
        path: Expectation(digest=Answer(**found["digest"]), tokens=Answer(**found["tokens"]))
        for path, found in json.loads(printed).items()
    }


def _answer(work: Callable[[str], Any], path: str) -> Answer:
    try:
        return Answer(value=work(path))
    except Exception as error:  # noqa: BLE001 - whatever it is, Hive must have met the same
        return Answer(error=traceback.format_exception_only(error)[-1].strip())


def main() -> None:
    """Answer for the paths on standard input."""
    die_with_parent()
    warnings.simplefilter("ignore")
    answers = {
        path: Expectation(digest=_answer(digest_of, path), tokens=_answer(count_tokens, path))
        for path in json.load(sys.stdin)
    }
    json.dump({path: asdict(answer) for path, answer in answers.items()}, sys.stdout)


if __name__ == "__main__":
    main()

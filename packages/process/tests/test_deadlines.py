"""Which sign ends which deadline: tried by what a program prints, in pieces of any size."""

import asyncio
from typing import Any

import pytest

from hive_contracts.errors import ConfigurationError
from hive_contracts.execution import Stream
from hive_process.deadlines import Deadlines, Limit, Terms
from hive_process.payload import CommandPayload, CommandSettings

SOON = 0.02
NEVER = 3600.0
OUT, ERR = Stream.STDOUT, Stream.STDERR


async def struck(deadlines: Deadlines, *pieces: tuple[Stream, bytes], ends: bool = False) -> Limit:
    """Return which deadline is missed after `pieces` were printed and nothing more comes."""
    stopped = asyncio.Event()
    deadlines.begin(stopped.set)
    for stream, data in pieces:
        deadlines.hear(stream, data)
    if ends:
        deadlines.hear_end()
    async with asyncio.timeout(10):
        await stopped.wait()
    assert deadlines.struck is not None
    return deadlines.struck


async def stands(deadlines: Deadlines, *pieces: tuple[Stream, bytes]) -> bool:
    """Return whether no deadline is missed."""
    deadlines.begin(lambda: pytest.fail("it was stopped"))
    for stream, data in pieces:
        deadlines.hear(stream, data)
    await asyncio.sleep(3 * SOON)
    deadlines.end()
    return deadlines.struck is None


async def test_any_output_is_a_sign_of_life():
    assert await struck(Deadlines(Terms(startup_seconds=SOON))) is Limit.STARTUP
    for stream in Stream:
        assert await stands(Deadlines(Terms(startup_seconds=SOON)), (stream, b"."))


async def test_the_text_that_is_waited_for_may_come_in_pieces_and_on_either_stream():
    terms = Terms(startup_seconds=SOON, ready_text="ready")
    assert await stands(Deadlines(terms), (OUT, b"not yet re"), (OUT, b"a"), (OUT, b"dy."))
    assert await stands(Deadlines(terms), (OUT, b"..."), (ERR, b"ready"))
    assert await struck(Deadlines(terms), (OUT, b"rea"), (ERR, b"dy")) is Limit.STARTUP


async def test_after_a_result_a_command_may_linger_for_so_long():
    terms = Terms(linger_seconds=SOON, result_text="RESULT")
    assert await struck(Deadlines(terms), (OUT, b"RES"), (OUT, b"ULT 3\n")) is Limit.LINGER
    assert await stands(Deadlines(terms), (OUT, b"no resul"), (ERR, b"RESUL"))


async def test_without_a_result_the_end_of_all_output_counts():
    terms = Terms(linger_seconds=SOON)
    deadlines = Deadlines(terms)
    assert await struck(deadlines, (OUT, b"x"), ends=True) is Limit.LINGER
    assert (
        deadlines.outcome({}).reason == "it was still there 0.02 s after it had closed its output"
    )
    silent = Deadlines(Terms(startup_seconds=SOON, linger_seconds=NEVER))
    assert await struck(silent, ends=True) is Limit.STARTUP


async def test_a_result_is_a_sign_of_life_as_well():
    terms = Terms(startup_seconds=SOON, ready_text="r", result_text="X", linger_seconds=NEVER)
    assert await stands(Deadlines(terms), (OUT, b"X"))


async def test_without_terms_nothing_is_ever_missed():
    deadlines = Deadlines(Terms())
    deadlines.hear_end()
    assert await stands(deadlines)


@pytest.mark.parametrize("name", ["startup_seconds", "linger_seconds"])
@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_times_that_nobody_can_wait_for_are_refused(name: str, seconds: float):
    wrong: dict[str, Any] = {name: seconds}
    with pytest.raises(ValueError, match=name):
        CommandPayload(argv=("true",), **wrong)
    with pytest.raises(ConfigurationError, match=f"command.{name}"):
        CommandSettings(**wrong)


@pytest.mark.parametrize("name", ["ready_text", "result_text"])
def test_an_empty_text_is_refused(name: str):
    wrong: dict[str, Any] = {name: ""}
    with pytest.raises(ValueError, match="must be something to look for"):
        CommandPayload(argv=("true",), **wrong)

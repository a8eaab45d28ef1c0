import io
import json
import logging
import os
from pathlib import Path

import pytest

from hive_telemetry.logs import LogFormat, configure, logger


def test_a_line_away_from_a_terminal_is_one_json_object() -> None:
    stream = io.StringIO()
    configure(role="queen", stream=stream)
    logger("hive_queen.claimer").info("claimed", tasks=3)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["tasks"], line["role"]) == ("claimed", 3, "queen")
    assert (line["pid"], line["module"]) == (os.getpid(), "hive_queen.claimer")
    assert line["timestamp"].endswith("Z")


def test_a_line_that_cannot_be_written_stops_nobody() -> None:
    with Path("/dev/full").open("w") as full:
        configure(role="queen", stream=full)
        logger("x").warning("the disk is full")
        logging.getLogger("redis").warning("so it is here")
        with pytest.raises(OSError, match="No space left"):
            print("which is so", file=full, flush=True)
        # What could not be written is still in the file's buffer; it goes nowhere.
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), full.fileno())


def test_a_line_for_eyes_has_no_colour_off_a_terminal() -> None:
    stream = io.StringIO()
    configure(role="queen", format=LogFormat.CONSOLE, stream=stream)
    logger("x").warning("slow", seconds=2)
    assert "slow" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_what_is_less_urgent_than_the_level_is_dropped() -> None:
    stream = io.StringIO()
    configure(role="queen", level="warning", stream=stream)
    logger("x").info("dropped")
    logger("x").error("kept")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["kept"]


def test_a_library_s_warning_looks_like_our_own_and_its_chatter_is_dropped() -> None:
    stream = io.StringIO()
    configure(role="worker", level="debug", stream=stream)
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("odd: %s", 7)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["module"], line["role"]) == ("odd: 7", "some.library", "worker")


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_traceback_tells_no_values_because_one_may_be_a_password(form: LogFormat) -> None:
    stream = io.StringIO()
    configure(role="worker", format=form, stream=stream)
    url = "redis://:" + "s3cret" + "@db"
    try:
        {}[len(url)]
    except KeyError:
        logger("x").exception("fell")
    assert "KeyError" in stream.getvalue()
    assert "s3cret@" not in stream.getvalue()


def test_an_exception_is_told_with_where_it_came_from() -> None:
    stream = io.StringIO()
    configure(role="worker", stream=stream)
    try:
        {}["gone"]
    except KeyError:
        logger("x").exception("fell")
    line = json.loads(stream.getvalue())
    assert line["exception"][0]["exc_type"] == "KeyError"

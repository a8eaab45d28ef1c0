"""`hive logs --plain`: text stays, what is meant for terminals goes, wherever a piece ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.tasks.plain import PlainOutput
from hive_contracts.execution import Stream
from hive_testkit.console import Console

COLOURED = (
    b"\x1b[1;31mred\x1b[0m \x1b]0;a title\x07x\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"
    b"\x1b(B\x1b[2K\x1b[?25lend\x1b7\x1b8\xff\xc3\xa9\n"
)
PLAIN = b"red xlinkend\xff\xc3\xa9\n"


class Kept:
    """Keeps what is passed on. Satisfies `hive.tasks.outputs.Sink`."""

    def __init__(self) -> None:
        self.data = b""
        self.skipped = 0

    def write(self, stream: Stream, data: bytes) -> None:
        self.data += data

    def skip(self, stream: Stream, size: int) -> None:
        self.skipped += size


@pytest.mark.parametrize("place", range(len(COLOURED) + 1))
def test_sequences_go_wherever_they_are_cut(place: int) -> None:
    kept = Kept()
    plain = PlainOutput(kept)
    plain.write(Stream.STDOUT, COLOURED[:place])
    plain.write(Stream.STDOUT, COLOURED[place:])
    assert kept.data == PLAIN


@given(data=st.binary(max_size=200).filter(lambda data: b"\x1b" not in data))
def test_what_has_no_sequence_stays_as_it_is(data: bytes) -> None:
    kept = Kept()
    PlainOutput(kept).write(Stream.STDERR, data)
    assert kept.data == data


def test_a_stray_escape_does_not_hold_back_what_follows_for_ever() -> None:
    kept = Kept()
    plain = PlainOutput(kept)
    plain.write(Stream.STDOUT, b"\x1b]" + b"x" * 10_000)
    assert len(kept.data) == 10_002


def test_logs_can_be_read_plain_and_as_they_were_written(hive: Console) -> None:
    done = hive("run", "-v", "--", "printf", r"\033[31mred\033[0m\n")
    task = done.stderr.split()[2].rstrip(",")
    assert hive("logs", task).stdout == "\x1b[31mred\x1b[0m\n"
    assert hive("logs", "--plain", task).stdout == "red\n"
    assert hive("logs", "-f", "--plain", task).stdout == "red\n"

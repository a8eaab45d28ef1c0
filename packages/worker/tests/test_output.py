"""Of what an attempt writes the head and the tail are kept, and a jump says what is missing."""

from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.execution import Stream
from hive_testkit.attempts import make_task
from hive_worker.output import LARGEST_PIECE_BYTES, PIECE_BYTES, Output

writes = st.lists(
    st.tuples(st.sampled_from(Stream), st.binary(max_size=40), st.booleans()), max_size=60
)


def new_output(cap_bytes: int) -> Output:
    return Output(make_task("trial", {}), cap_bytes=cap_bytes)


def position_of_each_byte(output: Output, written: list[tuple[Stream, bytes, bool]]) -> None:
    """Write everything, and hold every piece against what was written at its place."""
    whole = dict.fromkeys(Stream, b"")
    pieces = list(output.take(is_final=False))
    for stream, data, is_flushed in written:
        output.write(stream, data)
        whole[stream] += data
        if is_flushed:
            pieces += output.take(is_final=False)
    pieces += output.take(is_final=True)
    ends = dict.fromkeys(Stream, 0)
    for piece in pieces:
        assert piece.data == whole[piece.stream][piece.position :][: len(piece.data)]
        assert piece.position >= ends[piece.stream]
        ends[piece.stream] = piece.position + len(piece.data)
    assert all(output.position(stream) == len(data) for stream, data in whole.items())
    kept = sum(len(piece.data) for piece in pieces)
    total = sum(map(len, whole.values()))
    assert output.is_truncated == (kept < total)
    if not output.is_truncated:
        assert ends == {stream: len(data) for stream, data in whole.items()}


@given(writes, st.integers(0, 300))
def test_every_piece_stands_where_it_was_written(
    written: list[tuple[Stream, bytes, bool]], cap_bytes: int
) -> None:
    position_of_each_byte(new_output(cap_bytes), written)


@given(writes, st.integers(0, 300))
def test_what_is_kept_fills_the_cap_and_no_more(
    written: list[tuple[Stream, bytes, bool]], cap_bytes: int
) -> None:
    output = new_output(cap_bytes)
    for stream, data, _ in written:
        output.write(stream, data)
    kept = sum(len(piece.data) for piece in output.take(is_final=True))
    assert kept == min(cap_bytes, sum(len(data) for _, data, _ in written))


def test_the_head_and_the_tail_survive_a_flood() -> None:
    output = new_output(10)
    output.write(Stream.STDOUT, b"abcdefgh")
    output.write(Stream.STDOUT, b"ijklmnopqrstuvwxyz")
    head, tail = output.take(is_final=True)
    assert (head.position, head.data) == (0, b"abcde")
    assert (tail.position, tail.data) == (21, b"vwxyz")
    assert output.is_truncated


def test_many_small_writes_become_one_piece() -> None:
    output = new_output(1000)
    for _ in range(100):
        output.write(Stream.STDERR, b"x")
    [piece] = output.take(is_final=False)
    assert piece.data == b"x" * 100


def test_no_piece_is_larger_than_a_row_should_be() -> None:
    output = new_output(4 * LARGEST_PIECE_BYTES)
    for _ in range(40):
        output.write(Stream.STDOUT, bytes(LARGEST_PIECE_BYTES // 20))
    assert max(len(p.data) for p in output.take(is_final=True)) <= LARGEST_PIECE_BYTES


def test_a_full_piece_does_not_wait_for_its_second() -> None:
    output = new_output(4 * PIECE_BYTES)
    output.write(Stream.STDOUT, bytes(PIECE_BYTES - 1))
    assert not output.is_worth_writing
    output.write(Stream.STDOUT, b"x")
    assert output.is_worth_writing


def test_a_cap_of_nothing_keeps_nothing() -> None:
    output = new_output(0)
    output.write(Stream.STDOUT, b"hello")
    assert output.take(is_final=True) == []
    assert output.is_truncated

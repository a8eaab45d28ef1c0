"""Frames survive the stream, however it is cut up."""

from hypothesis import given
from hypothesis import strategies as st

from hive_process import frames

NO_NUL = st.binary(max_size=40).filter(lambda text: b"\0" not in text)
NAMES = NO_NUL.filter(lambda text: text != b"" and b"=" not in text)


@given(
    argv=st.lists(NO_NUL, min_size=1, max_size=5),
    env=st.dictionaries(NAMES, NO_NUL, max_size=5),
    cwd=st.none() | NO_NUL,
    targets=st.lists(st.integers(0, 1000), max_size=5),
    fences=st.dictionaries(NAMES, st.integers(0, 2**62), max_size=5),
)
def test_a_launch_arrives_as_it_was_sent(
    argv: list[bytes],
    env: dict[bytes, bytes],
    cwd: bytes | None,
    targets: list[int],
    fences: dict[bytes, int],
):
    limits = [b"%s=%d" % limit for limit in fences.items()]
    entries = [name + b"=" + value for name, value in env.items()]
    buffer = bytearray(
        frames.encode_launch(
            2**40, argv=argv, env=entries, cwd=cwd, targets=tuple(targets), fences=limits
        )
    )
    ((kind, number, body),) = frames.split_frames(buffer)
    order = frames.decode_launch(body)
    assert order.fences == fences
    assert (kind, number, order.argv, order.env, order.cwd, order.targets) == (
        frames.LAUNCH,
        2**40,
        argv,
        env,
        cwd,
        tuple(targets),
    )


@given(sizes=st.lists(st.integers(1, 30), max_size=60))
def test_frames_are_whole_however_the_stream_is_cut(sizes: list[int]):
    sent = [
        frames.encode_started(1, 77),
        frames.encode_refused(2, 13, b"/x"),
        frames.encode_stop(3, 0.5),
    ] * 5
    stream = b"".join(sent)
    cuts = [*sizes, len(stream)]
    buffer, seen = bytearray(), list[tuple[int, int, bytes]]()
    for size in cuts:
        buffer += stream[:size]
        stream = stream[size:]
        seen += frames.split_frames(buffer)
    assert not buffer
    assert seen == [frames.split_frames(bytearray(frame))[0] for frame in sent]


def test_an_ending_arrives_as_it_was_sent():
    ending = frames.Ending(
        status=-9,
        cpu_seconds=0.25,
        peak_memory_bytes=2**41,
        left_behind=3,
        is_fenced=True,
        was_stopped=True,
    )
    ((kind, number, body),) = frames.split_frames(bytearray(frames.encode_ended(5, ending)))
    seen = frames.decode_ended(body)
    assert (kind, number, seen.status, seen.cpu_seconds) == (frames.ENDED, 5, -9, 0.25)
    assert (seen.peak_memory_bytes, seen.left_behind) == (2**41, 3)
    assert (seen.is_fenced, seen.was_stopped) == (True, True)

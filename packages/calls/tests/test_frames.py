"""Messages keep their borders, however the bytes are cut."""

import os
import threading

from hypothesis import given
from hypothesis import strategies as st

from hive_calls.frames import frame, frame_size, read_frame, write_frame


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_size_of_a_message_is_known_from_its_header(body: str):
    message = frame(body)
    assert frame_size(message[:3]) is None
    assert frame_size(message[:4]) == frame_size(message) == len(message)


def test_messages_larger_than_the_pipe_arrive_whole_and_in_order():
    read_end, write_end = os.pipe()
    bodies = ["first", "x" * 1_000_000, "", "last"]

    def write_all() -> None:
        for body in bodies:
            write_frame(write_end, body)
        os.close(write_end)

    writer = threading.Thread(target=write_all)
    writer.start()
    try:
        received = [read_frame(read_end) for _ in bodies]
        assert received == [body.encode() for body in bodies]
        assert read_frame(read_end) is None
    finally:
        writer.join()
        os.close(read_end)


def test_a_message_that_is_cut_off_is_the_end():
    read_end, write_end = os.pipe()
    os.write(write_end, frame("hello")[:-1])
    os.close(write_end)
    try:
        assert read_frame(read_end) is None
    finally:
        os.close(read_end)

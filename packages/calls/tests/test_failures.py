"""Exceptions as text."""

import pytest

from hive_calls.failures import LONGEST_DESCRIPTION, describe


def caught(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as raised:
        raise error
    return raised.value


def test_an_exception_without_a_message_is_its_type_alone():
    assert describe(caught(KeyError())).splitlines()[0] == "KeyError"


def test_a_cause_is_told_too():
    error = RuntimeError("outer")
    error.__cause__ = caught(ValueError("inner"))

    told = describe(caught(error))

    assert told.startswith("RuntimeError: outer\n")
    assert "ValueError: inner" in told
    assert "direct cause" in told


def test_a_long_message_keeps_its_head_and_its_tail():
    told = describe(ValueError("x" * 100_000 + "the end"))

    assert len(told) < LONGEST_DESCRIPTION + 100
    assert told.startswith("ValueError: xxx")
    assert told.endswith("the end")
    assert "characters left out" in told


def test_an_exception_that_cannot_be_printed_is_told_all_the_same():
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise TypeError

    assert "UnprintableError" in describe(UnprintableError())

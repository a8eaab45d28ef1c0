"""A thread tells of beginnings and ends at once, and of the rest together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hive_inference.host import seats
from hive_inference.host.seats import ThreadSeat
from hive_inference.messages import End, Ended, News, Piece, Refused
from hive_inference.settings import EngineSettings


def piece(number: int, tokens: int) -> Piece:
    return Piece(number=number, text=f"<{number}.{tokens}>", tokens=tokens)


def ended(number: int) -> Ended:
    return Ended(number=number, end=End.FINISHED)


class ScriptedEngine:
    """Brings what is written down for each step, and closes its seat with the last."""

    def __init__(self, seat: Any, *steps: Sequence[News]) -> None:
        self.is_idle = False
        self._seat = seat
        self._steps = list(steps)

    def step(self) -> Sequence[News]:
        news = self._steps.pop(0)
        if not self._steps:
            self._seat.send(None)  # as `close` does
        return news


def told(tmp_path: Path, *steps: Sequence[News]) -> list[Sequence[News]]:
    seat: Any = ThreadSeat({}, EngineSettings(cache=tmp_path))
    seat._engine = ScriptedEngine(seat, *steps)
    tellings: list[Sequence[News]] = []
    seat._run(tellings.append)
    return tellings


def test_beginnings_and_ends_are_told_at_once_and_the_rest_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seats, "_TELL_SECONDS", 1e9)
    steps = [
        [piece(1, 1)], [piece(1, 2)], [piece(1, 3)],
        [piece(1, 4), piece(2, 1)], [piece(1, 5), piece(2, 2)],
        [piece(1, 6), piece(2, 3), ended(1)], [], [piece(2, 4)], [Refused(number=3, error="no")],
        [piece(1, 1)],
    ]  # fmt: skip
    assert told(tmp_path, *steps) == [
        [piece(1, 1)],
        [Piece(number=1, text="<1.2><1.3><1.4>", tokens=4), piece(2, 1)],
        [
            Piece(number=1, text="<1.5><1.6>", tokens=6),
            Piece(number=2, text="<2.2><2.3>", tokens=3),
            ended(1),
        ],
        [piece(2, 4), Refused(number=3, error="no")],
        [piece(1, 1)],
    ]


def test_what_is_in_between_is_told_when_its_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seats, "_TELL_SECONDS", 0.0)
    steps = [[piece(1, 1)], [piece(1, 2)], [piece(1, 3)]]
    assert told(tmp_path, *steps) == steps

"""When and how a schedule falls due, as a person says it in options."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from hive.durations import read_duration
from hive_contracts.errors import ConfigurationError
from hive_contracts.schedules import Cron, Every, Missed, NewSchedule, Once, Overlap, When
from hive_contracts.tasks import NewTask

__all__ = ["SaidSchedule", "schedule_of"]

ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidSchedule:
    """A schedule as it is said."""

    name: str
    cron: str | None = None
    zone: str | None = None
    every: str | None = None
    anchor: str | None = None
    at: str | None = None
    missed: str
    max_missed: int
    overlap: str
    spread: str | None = None
    expires_in: str | None = None


def schedule_of(said: SaidSchedule, task: NewTask) -> NewSchedule:
    """Return the schedule that is said.

    Raises:
        ConfigurationError: an option is missing or malformed, or two of them contradict.
    """
    return NewSchedule(
        name=said.name,
        when=_when(said),
        task=task,
        missed=_choice(said.missed, Missed, flag="--missed"),
        max_missed=said.max_missed,
        overlap=_choice(said.overlap, Overlap, flag="--overlap"),
        spread=_duration(said.spread, flag="--spread"),
        expires_in=_duration(said.expires_in, flag="--expires-in"),
    )


def _duration(text: str | None, *, flag: str) -> timedelta | None:
    return None if text is None else read_duration(text, flag=flag)


def _when(said: SaidSchedule) -> When:
    given = {"--cron": said.cron, "--every": said.every, "--at": said.at}
    named = [flag for flag, value in given.items() if value is not None]
    if len(named) != 1:
        got = f"; it got {' and '.join(named)}" if named else ""
        raise ConfigurationError(f"say when with one of --cron, --every and --at{got}")
    _refuse_idle("--zone", said.zone, "--cron", said.cron)
    _refuse_idle("--from", said.anchor, "--every", said.every)
    if said.cron is not None:
        return Cron(said.cron, said.zone or "UTC")
    if said.every is not None:
        anchor = None if said.anchor is None else _moment(said.anchor, flag="--from")
        return Every(read_duration(said.every, flag="--every"), anchor)
    return Once(_moment(said.at or "", flag="--at"))


def _refuse_idle(flag: str, value: Any, other: str, other_value: Any) -> None:
    if value is not None and other_value is None:
        raise ConfigurationError(f"{flag} means something beside {other} only")


def _moment(text: str, *, flag: str) -> datetime:
    try:
        # Without a time zone it is the clock on the wall.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{flag} is {text!r}; write it like 2030-01-31T17:00 or 2030-01-31T17:00+01:00"
        ) from None


def _choice(text: str, kind: type[ChoiceT], *, flag: str) -> ChoiceT:
    try:
        return kind(text)
    except ValueError:
        *others, last = kind
        raise ConfigurationError(
            f"{flag} is {text!r}; it is {', '.join(others)} or {last}"
        ) from None

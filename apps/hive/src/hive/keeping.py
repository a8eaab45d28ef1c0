"""How long finished tasks are kept, as people write it: `7d`, `forever`, `state=failed 30d`."""

import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from hive.durations import read_duration, show_seconds
from hive_contracts.errors import ConfigurationError
from hive_contracts.retaining import KeepRule, Retention
from hive_contracts.states import TERMINAL_STATES, TaskState

__all__ = ["keep_in_words", "read_keep", "read_retention"]

FOR_EVER: Final = ("forever", "0")
FIELDS: Final = ("queue", "kind", "state")


def read_retention(keep: str, rules: Sequence[str]) -> Retention:
    """Return what the settings say: the rules in their order, and then the time for all others.

    Raises:
        ConfigurationError: a rule or a time cannot be read; the message names it.
    """
    last = KeepRule(keep=read_keep(keep, name="retention.keep"))
    return Retention((*map(_read_rule, rules), last))


def read_keep(text: str, *, name: str) -> timedelta | None:
    """Return how long `text` says; None for ever.

    Raises:
        ConfigurationError: it says nothing of the kind; the message names the setting.
    """
    if text in FOR_EVER:
        return None
    try:
        return read_duration(text, flag=name)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}, or forever") from None


def keep_in_words(retention: Retention) -> str:
    """Return the rules as a list, the last of them for all other tasks."""
    *others, last = retention.rules
    parts = [f"{_selection(rule)} {_time(rule)}" for rule in others]
    return "; ".join([_time(last), *parts])


def _read_rule(text: str) -> KeepRule:
    try:
        *words, time = shlex.split(text)
        pairs = [word.split("=", 1) for word in words]
        fields = {name: value for name, value in pairs if value}
    except ValueError:
        raise _unreadable(text) from None
    if not fields or len(fields) < len(words) or not fields.keys() <= set(FIELDS):
        raise _unreadable(text)
    state = fields.get("state")
    if state is not None and state not in TERMINAL_STATES:
        raise ConfigurationError(
            f"the rule {text!r} in retention.rules has state {state!r}; only finished tasks leave:"
            f" {', '.join(sorted(TERMINAL_STATES))}"
        )
    return KeepRule(
        keep=read_keep(time, name=f"the time of the rule {text!r} in retention.rules"),
        queue=fields.get("queue"),
        kind=fields.get("kind"),
        state=None if state is None else TaskState(state),
    )


def _unreadable(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"retention.rules has {text!r}; write a rule like 'queue=builds state=failed 30d': one or"
        " more of queue=, kind= and state=, and then the time"
    )


def _selection(rule: KeepRule) -> str:
    found = {name: getattr(rule, name) for name in FIELDS}
    return " ".join(f"{name}={value}" for name, value in found.items() if value is not None)


def _time(rule: KeepRule) -> str:
    if rule.keep is None:
        return "for ever"
    first, *rest = show_seconds(rule.keep.total_seconds()).split(" ")
    return first if rest in (["0h"], ["0m"], ["0s"]) else " ".join([first, *rest])

"""An `agent` task as it is typed: its payload, its budget, and its profile's breaker."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from hive.command_options import CommandFlags
from hive.durations import read_duration
from hive.money import read_amount
from hive.settings import Settings
from hive.submitting.said import SaidTask, command_payload, said_task
from hive.task_options import FlagsOfAny
from hive_agents.profiles import Profile, read_profiles
from hive_contracts.errors import ConfigurationError

__all__ = ["profile_named", "read_budget", "said_agent"]

FORMS: Final = "5usd, 200ktokens, 30turns, or a duration like 20m"


def profile_named(settings: Settings, name: str) -> Profile:
    """Return a profile of this machine's settings, which those of its workers should be like.

    Raises:
        ConfigurationError: there is none of that name.
    """
    profiles = read_profiles(settings.agents.profiles)
    if name not in profiles:
        raise ConfigurationError(
            f"there is no agent profile {name!r}; there are {', '.join(profiles)}, and what"
            f" hive.toml has under [agents.profiles.{name}]"
        )
    return profiles[name]


def said_agent(
    settings: Settings,
    profile: str,
    task: FlagsOfAny,
    terms: CommandFlags,
    *,
    budget: Sequence[str],
    budget_flag: str = "--budget",
    wishes: Mapping[str, Any] = MappingProxyType({}),
    **others: Any,
) -> SaidTask:
    """Return the task of kind `agent` that flags say. It has its profile's breaker, or its own.

    Args:
        settings: where the profile is looked up.
        profile: its name.
        task: what is said of tasks.
        terms: what is said of commands.
        budget: what each may use up.
        budget_flag: by which flag that is said.
        wishes: further fields of the payload; what is empty is left out.
        others: fields of the task that are said in other ways.

    Raises:
        ConfigurationError: a flag makes no sense; the message names it.
    """
    known = profile_named(settings, profile)
    payload = {
        "profile": profile,
        "prompt": "",
        **{name: value for name, value in wishes.items() if value},
        **command_payload(terms, reads_parents=getattr(task, "after", None) is not None),
    }
    if budget:
        payload["budget"] = read_budget(budget, flag=budget_flag)
    said = said_task("agent", payload, task, terms, **others)
    return said if said.breaker is not None else replace(said, breaker=known.breaker)


def read_budget(said: Sequence[str], *, flag: str = "--budget") -> dict[str, float]:
    """Return a budget by the names of its limits, as a payload has it.

    Raises:
        ConfigurationError: it cannot be read, or says the same thing twice.
    """
    budget: dict[str, float] = {}
    for text in said:
        name, most = _limit(text.strip().lower(), flag)
        if name in budget:
            raise ConfigurationError(f"{flag} is said twice for {name}; let one of them say it")
        budget[name] = most
    return budget


def _limit(text: str, flag: str) -> tuple[str, float]:
    if (found := read_amount(text, flag=flag)) is not None:
        unit, number = found
        return unit, float(number) if unit == "usd" else int(number)
    if text.isdecimal():
        raise ConfigurationError(f"{flag} is {text!r}; say of what, as in {FORMS}")
    try:
        return "seconds", read_duration(text, flag=flag).total_seconds()
    except ConfigurationError:
        raise ConfigurationError(f"{flag} is {text!r}; write it like {FORMS}") from None

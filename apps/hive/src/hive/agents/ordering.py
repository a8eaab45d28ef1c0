"""An `agent` task as it is typed: its payload, its budget, and its profile's breaker."""

import re
from collections.abc import Sequence
from typing import Any, Final

from hive.command_options import CommandFlags
from hive.durations import read_duration
from hive.settings import Settings
from hive.submitting.said import command_payload
from hive_agents.profiles import Profile, read_profiles
from hive_contracts.errors import ConfigurationError

__all__ = ["agent_payload", "profile_named", "read_budget"]

UNITS: Final = ("usd", "tokens", "turns")
FORMS: Final = "5usd, 200000tokens, 30turns, or a duration like 20m"

_amount: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


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


def agent_payload(
    terms: CommandFlags,
    *,
    prompt: str,
    profile: str,
    budget: Sequence[str],
    reads_parents: bool,
    **others: Any,
) -> dict[str, Any]:
    """Return the payload that flags say; `others` are fields that stand in it as they are.

    Raises:
        ConfigurationError: a flag makes no sense; the message names it.
    """
    said = {name: value for name, value in others.items() if value}
    if budget:
        said["budget"] = read_budget(budget)
    how = command_payload(terms, reads_parents=reads_parents)
    return {"prompt": prompt, "profile": profile, **said, **how}


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
    found = _amount.fullmatch(text)
    if found is not None and found[2] in UNITS:
        return found[2], float(found[1]) if found[2] == "usd" else int(float(found[1]))
    if text.isdecimal():
        raise ConfigurationError(f"{flag} is {text!r}; say of what, as in {FORMS}")
    try:
        return "seconds", read_duration(text, flag=flag).total_seconds()
    except ConfigurationError:
        raise ConfigurationError(f"{flag} is {text!r}; write it like {FORMS}") from None

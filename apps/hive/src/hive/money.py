"""Amounts that are spent, as people write and read them: 60usd, 2Mtokens, 100turns."""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from hive.words import counted
from hive_contracts.errors import ConfigurationError
from hive_contracts.spending import Budget, Spent

__all__ = ["read_amount", "read_amounts", "show_amounts", "show_money", "show_spent"]

AMOUNT: Final = re.compile(
    r"([0-9]+(?:\.[0-9]{1,6})?) ?([km]?) ?(usd|tokens?|turns?)", re.IGNORECASE
)
TIMES: Final = {"": 1, "k": 1000, "m": 1_000_000}
FIELDS: Final = {"usd": "microdollars", "tokens": "tokens", "turns": "turns"}
MICRO: Final = 1_000_000


def read_amounts(budget: Budget, words: Sequence[str], *, flag: str) -> Budget:
    """Return `budget` with the amounts that the words say; one word may say several, with commas.

    Raises:
        ConfigurationError: one of them says no amount, or two say the same.
    """
    said: dict[str, int] = {}
    for text in (part.strip() for word in words for part in word.split(",")):
        found = read_amount(text, flag=flag)
        if found is None:
            raise ConfigurationError(
                f"{flag} is {text!r}; write it like 60usd, 2Mtokens or 100turns"
            )
        unit, number = found
        field = FIELDS[unit]
        if field in said:
            raise ConfigurationError(f"{flag} says twice how many {unit}")
        said[field] = int(number * MICRO) if unit == "usd" else int(number)
    return replace(budget, **said)


def read_amount(text: str, *, flag: str) -> tuple[str, Decimal] | None:
    """Return of what (`usd`, `tokens`, `turns`) and how much; None if it is no amount.

    Raises:
        ConfigurationError: there is no such part of a token or turn.
    """
    found = AMOUNT.fullmatch(text)
    if found is None:
        return None
    number = Decimal(found[1]) * TIMES[found[2].lower()]
    unit = found[3].lower().removesuffix("s")
    unit = unit if unit == "usd" else f"{unit}s"
    if unit != "usd" and number != int(number):
        raise ConfigurationError(f"{flag} is {text!r}; {unit} are whole")
    return unit, number


def show_money(microdollars: int) -> str:
    """Return money in dollars and cents; what is less than ten cents as it is."""
    usd = Decimal(microdollars) / MICRO
    if 0 < microdollars < MICRO // 10:
        return f"{usd.normalize():f} USD"
    return f"{usd:,.2f} USD"


def show_spent(spent: Spent) -> str:
    """Return what was spent; a price that nobody knows is told, and is not 0."""
    parts = [_price(spent)]
    if spent.tokens is not None:
        parts.append(counted(spent.tokens, "token"))
    if spent.turns:
        parts.append(counted(spent.turns, "turn"))
    return ", ".join(parts)


def _price(spent: Spent) -> str:
    if spent.unpriced:
        known = f"{show_money(spent.microdollars)} and more, " if spent.microdollars else ""
        return f"{known}price unknown"
    return show_money(spent.microdollars or 0)


def show_amounts(budget: Budget, spent: Spent) -> str:
    """Return how much of a budget is spent, as "12.30 USD of 60.00 USD, 5 of 100 turns"."""
    parts: list[str] = []
    if budget.microdollars is not None:
        parts.append(f"{_price(spent)} of {show_money(budget.microdollars)}")
    if budget.tokens is not None:
        parts.append(f"{spent.tokens or 0:,} of {counted(budget.tokens, 'token')}")
    if budget.turns is not None:
        parts.append(f"{spent.turns or 0:,} of {counted(budget.turns, 'turn')}")
    return ", ".join(parts)

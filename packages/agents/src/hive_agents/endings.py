"""What the end of an agent means for its task: how its program ended, and what it said before.

In this order: a budget that is used up, a quota, an error that it says itself, a question, a
result; and a program that ends well without a result has failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hive_agents.streams.quotas import Quotas
from hive_agents.streams.report import Question, Report
from hive_contracts.outcomes import (
    Asked,
    Failed,
    Outcome,
    OverBudget,
    Parked,
    Silent,
    Succeeded,
    TimedOut,
)

__all__ = ["Account", "verdict"]

NO_RESULT: Final = "it ended without a result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of an attempt at its end."""

    report: Report
    told: Mapping[str, Any]
    """What its result says of it."""

    struck: str | None
    """The budget that it was stopped for, in words; None if it was not."""

    question: Question | None
    last_words: str
    """The end of what it printed to standard error."""

    quotas: Quotas

    @property
    def last_line(self) -> str | None:
        """The last line of it that says something."""
        lines = self.last_words.strip().splitlines()
        return lines[-1].strip() if lines else None


def verdict(ended: Outcome, account: Account) -> Outcome:
    """Return what it means that the program ended so."""
    if not isinstance(ended, Succeeded | Failed | TimedOut | Silent):
        return ended
    if isinstance(ended, Failed) and not ended.is_retryable:
        # It never began.
        return ended
    result = {**_dict_of(ended.result), **account.told}
    if account.struck is not None:
        return OverBudget(account.struck, result=result)
    return _by_words(ended, account, result) or _by_end(ended, account, result)


def _by_words(ended: Outcome, account: Account, result: dict[str, Any]) -> Outcome | None:
    """Return what it comes to by what the agent said; None if that decides nothing."""
    report = account.report
    quota = report.quota
    if quota is None and not report.is_done and isinstance(ended, Failed):
        quota = account.quotas.met_in(account.last_line)
    if quota is not None:
        return Parked(quota.reason, again_after=quota.again_after, opens_breaker=True)
    if (complaint := report.complaint) is not None:
        if complaint.budget is not None:
            return OverBudget(complaint.error, result=result)
        return Failed(complaint.error, result=result)
    if (question := account.question) is not None:
        return Asked(question.text, question.options)
    return None


def _by_end(
    ended: Succeeded | Failed | TimedOut | Silent, account: Account, result: dict[str, Any]
) -> Outcome:
    has_result = account.report.is_done
    match ended:
        case Succeeded():
            return Succeeded(result) if has_result else Failed(NO_RESULT, result=result)
        case TimedOut() if has_result:
            # What it was to give is there; that it stayed is told, and cost no more than the wait.
            return Succeeded({**result, "lingered": True})
        case Failed() if has_result:
            return replace(ended, error=f"{ended.error}, after its result", result=result)
        case Failed():
            line = account.last_line
            why = ended.error if line is None else f"{ended.error}: {line}"
            return replace(ended, error=why, result=result)
        case _:
            return replace(ended, result=result)


def _dict_of(result: object) -> dict[str, Any]:
    return {**result} if isinstance(result, dict) else {}

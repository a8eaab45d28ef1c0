"""One attempt of an agent while it runs: its stream is read, its session noted, its budget kept."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Any, Final

from hive_agents.budgets import Budget, Spent, spent_in
from hive_agents.endings import Account, verdict
from hive_agents.payload import AgentPayload
from hive_agents.profiles import Profile
from hive_agents.prompts import asked_in
from hive_agents.sessions import Notes
from hive_agents.streams.quotas import Quotas
from hive_agents.streams.report import Question
from hive_contracts.errors import LostRaceError, UnavailableError
from hive_contracts.execution import Attempt, Stream
from hive_contracts.outcomes import Failed, Outcome, Released, Succeeded
from hive_contracts.spending import MOST, Spending
from hive_process.alongside import alongside

__all__ = ["AgentRun", "in_words"]

NOTE_SECONDS: Final = 2.0
"""Between two notes of what is used up."""

QUOTA_SECONDS: Final = 60.0
"""How long a program may stay and do nothing when it has said that its quota is used up."""

LAST_WORDS_BYTES: Final = 4096
LONGEST_TEXT: Final = 256 * 1024
"""Of what an agent says its result keeps so many characters, the last; its output has it all."""


class AgentRun:
    """Oversees the program of one attempt. Satisfies `hive_process.overseeing.Overseer`."""

    def __init__(
        self,
        payload: AgentPayload,
        profile: Profile,
        notes: Notes,
        *,
        write: Callable[[Notes], None],
        is_resumed: bool,
    ) -> None:
        """Make one.

        Args:
            payload: what it is to do.
            profile: how its program speaks.
            notes: what is known of the attempts before.
            write: keeps what is known now.
            is_resumed: whether it goes on with a session.
        """
        self._payload = payload
        self._budget = payload.limit
        self._profile = profile
        self._reader = profile.reader()
        self._notes = notes
        self._write = write
        self._is_resumed = is_resumed
        self._last_words = b""
        self._has_news = asyncio.Event()
        self._struck: str | None = None
        self._stop: Callable[[], None] = _nothing
        self._note_result: Callable[[], None] = _nothing
        self._timer: asyncio.TimerHandle | None = None
        self._quota_timer: asyncio.TimerHandle | None = None
        self._began_seconds: float | None = None
        self._noted_seconds = 0.0
        self._noted_session = notes.session

    @property
    def spending(self) -> Spending:
        """What this attempt has spent, as the store keeps it."""
        report, usd = self._reader.report, self.spent.usd
        return Spending(
            microdollars=None if usd is None else round(min(usd * 1_000_000, MOST)),
            input_tokens=_within_reason(report.input_tokens),
            output_tokens=_within_reason(report.output_tokens),
            turns=_within_reason(report.turns),
        )

    @property
    def spent(self) -> Spent:
        """What this attempt has used up."""
        begun = self._began_seconds
        seconds = 0.0 if begun is None else asyncio.get_running_loop().time() - begun
        return spent_in(self._reader.report, self._profile.prices, seconds=seconds)

    def told_to(self, attempt: Attempt) -> AbstractAsyncContextManager[None]:
        """Tell `attempt` what is spent as it is known, and stop when that uses up a budget."""
        return alongside(self._tell(attempt))

    def begin(self, *, stop: Callable[[], None], note_result: Callable[[], None]) -> None:
        """Hear that the program has started."""
        self._stop, self._note_result = stop, note_result
        loop = asyncio.get_running_loop()
        self._began_seconds = self._noted_seconds = loop.time()
        if (most := self._budget.seconds) is not None:
            left = max(0.0, most - self._notes.spent.seconds)
            why = in_words("seconds", self._in_all, self._budget)
            self._timer = loop.call_later(left, self._strike, why)

    def hear(self, stream: Stream, data: bytes) -> None:
        """Read on."""
        if stream is Stream.STDERR:
            self._last_words = (self._last_words + data)[-LAST_WORDS_BYTES:]
            return
        self._reader.feed(data)
        self._has_news.set()
        report = self._reader.report
        if report.is_done:
            self._note_result()
        elif (name := self._in_all.over(self._budget)) is not None:
            self._strike(in_words(name, self._in_all, self._budget))
        self._mind_quota()
        now_seconds = asyncio.get_running_loop().time()
        is_new = report.session not in (None, self._noted_session)
        if is_new or now_seconds > self._noted_seconds + NOTE_SECONDS:
            self._noted_seconds, self._noted_session = now_seconds, report.session
            self._note()

    def called_off(self) -> Outcome | None:
        """Return what it has come to though it was called off; None if to nothing."""
        self._end()
        self._note(is_over=True)
        report = self._reader.report
        is_in_doubt = report.complaint or report.quota or self._question
        if not report.is_done or is_in_doubt:
            return None
        return Succeeded({**self.told(), "lingered": True})

    def told(self) -> dict[str, Any]:
        """Return what the result is to say."""
        report, spent = self._reader.report, self.spent
        text = report.text
        told: dict[str, Any] = {
            "profile": self._payload.profile,
            "text": text if text is None else text[-LONGEST_TEXT:],
            "session": report.session or self._notes.session,
            "cost_usd": None if spent.usd is None else round(spent.usd, 6),
            "output_tokens": report.output_tokens,
            "input_tokens": report.input_tokens,
            "cached_tokens": report.cached_tokens,
            "turns": report.turns,
            "resumed": self._is_resumed,
        }
        if report.cost_usd is None and spent.usd is not None:
            told["cost_is_estimated"] = True
        if text is not None and len(text) > LONGEST_TEXT:
            told["text_is_cut"] = True
        if report.unreadable_lines:
            told["unreadable_lines"] = report.unreadable_lines
        if report.is_done and (over := self._in_all.over(self._budget)) is not None:
            told["over_budget"] = over
        return told

    def judge(self, outcome: Outcome) -> Outcome:
        """Return what it means that the program ended so."""
        self._end()
        question = self._question
        account = Account(
            report=self._reader.report,
            told=self.told(),
            struck=self._struck,
            question=question,
            last_words=self._last_words.decode(errors="replace"),
            quotas=Quotas(self._profile.quota_texts),
        )
        ended = verdict(outcome, account)
        if not isinstance(ended, Released):
            self._note(question, is_over=True, session_is_gone=self._says_it_is_gone(ended))
        return ended

    async def _tell(self, attempt: Attempt) -> None:
        told: Spending | None = None
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            if (spending := self.spending) == told:
                continue
            told = spending
            # Who has lost the lease is called off; what was not written is, with the next.
            with suppress(LostRaceError, UnavailableError):
                if (used_up := await attempt.spend(spending)) is not None:
                    self._strike(used_up)

    @property
    def _in_all(self) -> Spent:
        return self._notes.spent.and_also(self.spent)

    @property
    def _question(self) -> Question | None:
        report = self._reader.report
        if report.question is not None:
            return None if self._payload.ignores_denials else report.question
        return asked_in(report.text) if self._payload.may_ask and report.is_done else None

    def _strike(self, why: str) -> None:
        if self._struck is None and not self._reader.report.is_done:
            self._struck = why
            self._stop()

    def _mind_quota(self) -> None:
        """Have a program ended that stays when its quota is used up, unless it goes on with it."""
        if self._reader.report.quota is None and self._quota_timer is not None:
            self._quota_timer.cancel()
            self._quota_timer = None
        elif self._reader.report.quota is not None and self._quota_timer is None:
            loop = asyncio.get_running_loop()
            self._quota_timer = loop.call_later(QUOTA_SECONDS, self._stop)

    def _end(self) -> None:
        self._reader.end()
        for timer in (self._timer, self._quota_timer):
            if timer is not None:
                timer.cancel()

    def _says_it_is_gone(self, ended: Outcome) -> bool:
        if not self._is_resumed or not isinstance(ended, Failed):
            return False
        error = ended.error.lower()
        return any(text in error for text in self._profile.gone_texts)

    def _note(
        self,
        question: Question | None = None,
        *,
        is_over: bool = False,
        session_is_gone: bool = False,
    ) -> None:
        report, before = self._reader.report, self._notes
        is_unknown = self._profile.knows_cost and bool(report.turns) and self.spent.usd is None
        notes = replace(
            before,
            session=None if session_is_gone else report.session or before.session,
            session_is_gone=session_is_gone or before.session_is_gone,
            spent=self._in_all,
            has_asked=is_over and question is not None,
            is_price_unknown=before.is_price_unknown or is_unknown,
        )
        self._write(notes)


def in_words(name: str, spent: Spent, budget: Budget) -> str:
    """Return which budget was used up, for people."""
    used, most = getattr(spent, name), getattr(budget, name)
    if name == "usd":
        return f"${used:.2f} of ${most:.2f} is spent"
    if name == "seconds":
        return f"it has run for its {most:g} s"
    return f"{used:,} of {most:,.0f} {name} are used"


def _within_reason(count: int | None) -> int | None:
    """Return what is kept of a count: somebody else's program may say anything."""
    return None if count is None else min(count, MOST)


def _nothing() -> None:
    return

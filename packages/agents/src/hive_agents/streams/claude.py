"""Read `stream-json`, as claude prints it with `-p --output-format stream-json --verbose`.

    system      subtype init: the session
    assistant   an answer of the model: an event for each of its parts, each with the whole usage
    user        what a tool has returned
    rate_limit_event   how a limit of the account stands; status `rejected` if it is used up
    result      the last: what was said, what it cost, whether it is an error, what was not allowed

The tokens of an answer are counted once, however many events repeat them. A result's own figures
take the place of what was counted.
"""

from typing import Any, Final

from hive_agents.streams.asking import asked_for
from hive_agents.streams.events import amount_at, at, count_at, list_at, session_at, text_at
from hive_agents.streams.quotas import Quotas, when_reset
from hive_agents.streams.reading import EventReader
from hive_agents.streams.report import Complaint, Question, Quota

__all__ = ["ClaudeReader"]

BUDGETS: Final = {
    "error_max_turns": ("turns", "its program has stopped at its limit of turns"),
    "error_max_budget_usd": ("usd", "its program has stopped at its budget of money"),
}
QUESTION_TOOL: Final = "AskUserQuestion"
LONGEST_SHOWN: Final = 200

_Usage = tuple[int, int, int]
"""Tokens read, read from the cache, and written."""


class ClaudeReader(EventReader):
    """Reads the stream of claude."""

    def __init__(self, quotas: Quotas) -> None:
        super().__init__()
        self._quotas = quotas
        self._usage_of: dict[str, _Usage] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event says."""
        self.report.session = session_at(event, "session_id") or self.report.session
        match event.get("type"):
            case "assistant":
                self._take_answer(event)
            case "rate_limit_event":
                self._take_limit(event)
            case "result":
                self._take_result(event)
            case _:
                return

    def _take_answer(self, event: dict[str, Any]) -> None:
        # Whatever limit it met before, it goes on.
        self.report.quota = None
        texts = [text_at(part, "text") for part in list_at(event, "message", "content")]
        said = "\n".join(text for text in texts if text is not None)
        self.report.text = said or self.report.text
        name = text_at(event, "message", "id") or f"answer {len(self._usage_of)}"
        known = self._usage_of.get(name, (0, 0, 0))
        now = _usage_in(at(event, "message", "usage"))
        self._usage_of[name] = (max(known[0], now[0]), max(known[1], now[1]), max(known[2], now[2]))
        self.report.turns = len(self._usage_of)
        self._note_usage(tuple(map(sum, zip(*self._usage_of.values(), strict=True))))

    def _take_limit(self, event: dict[str, Any]) -> None:
        is_paid_beyond = at(event, "rate_limit_info", "isUsingOverage") is True
        if text_at(event, "rate_limit_info", "status") != "rejected" or is_paid_beyond:
            return
        which = text_at(event, "rate_limit_info", "rateLimitType") or "usage"
        again_after = when_reset(amount_at(event, "rate_limit_info", "resetsAt"), self._quotas.now)
        self.report.quota = Quota(f"its {which} limit is used up", again_after)

    def _take_result(self, event: dict[str, Any]) -> None:
        report = self.report
        report.is_done = True
        report.text = text_at(event, "result") or report.text
        report.cost_usd = amount_at(event, "total_cost_usd")
        report.turns = count_at(event, "num_turns") or report.turns
        if isinstance(at(event, "usage"), dict):
            self._note_usage(_usage_in(at(event, "usage")))
        subtype = text_at(event, "subtype") or "success"
        if at(event, "is_error") is True or subtype.startswith("error"):
            self._complain(subtype, _error_in(event))
            return
        # A limit that was met on the way and got over is none that matters.
        report.quota = None
        report.question = _question_in(event)

    def _complain(self, subtype: str, text: str | None) -> None:
        if subtype in BUDGETS:
            budget, error = BUDGETS[subtype]
            self.report.complaint = Complaint(error, budget)
            return
        self.report.quota = self.report.quota or self._quotas.met_in(text)
        self.report.complaint = Complaint(text or f"it ended with {subtype}")

    def _note_usage(self, usage: tuple[int, ...]) -> None:
        report = self.report
        report.input_tokens, report.cached_tokens, report.output_tokens = usage


def _usage_in(usage: object) -> _Usage:
    # What is written to the cache is paid like what is read, and more.
    read = (count_at(usage, "input_tokens") or 0) + (
        count_at(usage, "cache_creation_input_tokens") or 0
    )
    cached = count_at(usage, "cache_read_input_tokens") or 0
    return read, cached, count_at(usage, "output_tokens") or 0


def _error_in(event: dict[str, Any]) -> str | None:
    """Return what the program says of its error; what the model said last is none."""
    errors = [error for error in list_at(event, "errors") if isinstance(error, str)]
    return text_at(event, "result") or "; ".join(errors) or None


def _question_in(event: dict[str, Any]) -> Question | None:
    """Return what was not allowed, as a question: the last, which it could not get around."""
    for denial in reversed(list_at(event, "permission_denials")):
        tool = text_at(denial, "tool_name")
        if tool == QUESTION_TOOL:
            return _asked(denial)
        if tool is not None:
            shown = _shown(at(denial, "tool_input"))
            return asked_for(tool, shown)
    return None


def _asked(denial: object) -> Question:
    questions = list_at(denial, "tool_input", "questions")
    first = questions[0] if questions else None
    labels = [text_at(option, "label") for option in list_at(first, "options")]
    text = (text_at(first, "question") or "").strip()
    options = tuple(label for label in labels if label is not None)
    return Question(text or "It asked a question that cannot be read.", options)


def _shown(tool_input: object) -> str:
    for name in ("command", "file_path", "url"):
        if (text := text_at(tool_input, name)) is not None:
            return f" on {text[:LONGEST_SHOWN]}"
    return ""

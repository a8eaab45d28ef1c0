"""Read JSON lines as codex prints them with `exec --json`.

    thread.started    the session
    item.completed    something was done: a message, a command, a change, a search
    turn.completed    the last: what was read and written; it says no price
    turn.failed       the last: why not
    error             trouble on the way, which it may still get over

A turn of codex is everything from a prompt to its end; what other agents call a turn is an item.
"""

from typing import Any, Final

from hive_agents.streams.events import at, count_at, session_at, text_at
from hive_agents.streams.quotas import Quotas
from hive_agents.streams.reading import EventReader
from hive_agents.streams.report import Complaint

__all__ = ["CodexReader"]

UNCOUNTED_ITEMS: Final = ("reasoning", "todo_list", "error")


class CodexReader(EventReader):
    """Reads the stream of codex."""

    def __init__(self, quotas: Quotas) -> None:
        super().__init__()
        self._quotas = quotas

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event says."""
        match event.get("type"):
            case "thread.started":
                self.report.session = session_at(event, "thread_id") or self.report.session
            case "item.started":
                self.report.quota = None
            case "item.completed":
                self._take_item(event)
            case "turn.completed":
                self._take_usage(at(event, "usage"))
                self.report.is_done = True
                self.report.quota = self.report.complaint = None
            case "turn.failed":
                self._complain(text_at(event, "error", "message"))
                self.report.is_done = True
            case "error":
                self._complain(text_at(event, "message"))
            case _:
                return

    def _take_item(self, event: dict[str, Any]) -> None:
        kind = text_at(event, "item", "type")
        if kind != "error":
            # Whatever went wrong before, it goes on.
            self.report.complaint = self.report.quota = None
        if kind not in UNCOUNTED_ITEMS:
            self.report.turns += 1
        if kind == "agent_message":
            self.report.text = text_at(event, "item", "text") or self.report.text

    def _take_usage(self, usage: object) -> None:
        report = self.report
        read, cached = count_at(usage, "input_tokens"), count_at(usage, "cached_input_tokens")
        if read is not None:
            # What was read from the cache is counted in what was read.
            report.input_tokens = max(0, read - (cached or 0))
        report.cached_tokens = cached
        report.output_tokens = count_at(usage, "output_tokens")

    def _complain(self, message: str | None) -> None:
        self.report.quota = self._quotas.met_in(message) or self.report.quota
        self.report.complaint = Complaint(message or "it failed without a message")

"""Read `stream-json` as gemini prints it with `--output-format stream-json`.

init          the session
message       what was said, in pieces
tool_use      a tool is used, and with `tool_result` has been
error         trouble on the way, which it may still get over
result        the last: whether it is an error, what was read and written; it says no price
"""

from typing import Any

from hive_agents.streams.events import at, count_at, session_at, text_at
from hive_agents.streams.quotas import Quotas
from hive_agents.streams.reading import EventReader
from hive_agents.streams.report import Complaint

__all__ = ["GeminiReader"]


class GeminiReader(EventReader):
    """Reads the stream of gemini."""

    def __init__(self, quotas: Quotas) -> None:
        super().__init__()
        self._quotas = quotas
        self._is_speaking = False
        """Whether the next piece belongs to what is being said."""

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event says."""
        match event.get("type"):
            case "init":
                self.report.session = session_at(event, "session_id") or self.report.session
            case "message" if at(event, "role") == "assistant":
                self._take_piece(text_at(event, "content") or "")
            case "tool_use":
                self.report.quota = None
                self.report.turns += not self._is_speaking
                self._is_speaking = False
            case "error":
                met = self._quotas.met_in(text_at(event, "message"))
                self.report.quota = met or self.report.quota
            case "result":
                self._take_result(event)
            case _:
                return

    def _take_piece(self, text: str) -> None:
        self.report.quota = None
        if not self._is_speaking:
            self.report.turns += 1
            self.report.text = ""
        self._is_speaking = True
        self.report.text = f"{self.report.text or ''}{text}"

    def _take_result(self, event: dict[str, Any]) -> None:
        report = self.report
        report.is_done = True
        read, cached = count_at(event, "stats", "input_tokens"), count_at(event, "stats", "cached")
        if read is not None:
            # What was read from the cache is counted in what was read.
            report.input_tokens = max(0, read - (cached or 0))
        report.cached_tokens = cached
        report.output_tokens = count_at(event, "stats", "output_tokens")
        if at(event, "status") != "error":
            report.quota = None
            return
        message = text_at(event, "error", "message")
        kind = text_at(event, "error", "type") or ""
        report.quota = self._quotas.met_in(message) or report.quota
        budget = "turns" if "turn" in kind.lower() else None
        report.complaint = Complaint(message or kind or "it failed without a message", budget)

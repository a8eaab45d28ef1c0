"""Read JSON lines of any program: a profile says where in them what stands.

    fields = { session = "run.id", text = "answer", output_tokens = "used.out", done = "kind=end" }

A field is a path of names with dots between them; the last line that has something there holds.
`done`, `failed` and `quota` are conditions: a path, and after `=` what must stand there.
"""

from collections.abc import Mapping
from typing import Any, Final

from hive_agents.streams.events import amount_at, at, count_at, session_at, text_at
from hive_agents.streams.quotas import Quotas
from hive_agents.streams.reading import EventReader
from hive_agents.streams.report import Complaint, Question, Quota

__all__ = ["FIELDS", "FieldsReader"]

FIELDS: Final = (
    "session", "text", "cost_usd", "input_tokens", "cached_tokens", "output_tokens", "turns",
    "error", "question", "done", "failed", "quota",
)  # fmt: skip
"""What a profile may say the place of."""


class FieldsReader(EventReader):
    """Reads lines as a profile says."""

    def __init__(self, fields: Mapping[str, str], quotas: Quotas) -> None:
        super().__init__()
        self._fields = fields
        self._quotas = quotas

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event says."""
        report = self.report
        report.session = session_at(event, *self._path("session")) or report.session
        report.text = self._text(event, "text") or report.text
        self._take_figures(event)
        if (question := self._text(event, "question")) is not None:
            report.question = Question(question)
        error = self._text(event, "error")
        if self._holds(event, "quota"):
            reason = error or "it says that its quota is used up"
            report.quota = self._quotas.met_in(error) or Quota(reason, None)
        if self._holds(event, "failed"):
            report.quota = report.quota or self._quotas.met_in(error)
            report.complaint = Complaint(error or report.text or "it says that it has failed")
            report.is_done = True
        report.is_done |= self._holds(event, "done")

    def _take_figures(self, event: dict[str, Any]) -> None:
        report = self.report
        for name in ("input_tokens", "cached_tokens", "output_tokens", "turns"):
            if (count := count_at(event, *self._path(name))) is not None:
                setattr(report, name, count)
        if (cost := amount_at(event, *self._path("cost_usd"))) is not None:
            report.cost_usd = cost

    def _path(self, name: str) -> list[str]:
        # Without a place it is one that no event has.
        return self._fields.get(name, "\0").split(".")

    def _text(self, event: dict[str, Any], name: str) -> str | None:
        return text_at(event, *self._path(name))

    def _holds(self, event: dict[str, Any], name: str) -> bool:
        if name not in self._fields:
            return False
        path, equals, wanted = self._fields[name].partition("=")
        found = at(event, *path.split("."))
        return str(found) == wanted if equals else bool(found)

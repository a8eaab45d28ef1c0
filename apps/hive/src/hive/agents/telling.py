"""What people are told of an agent: what it says while it works, and what it gives at its end."""

import sys

from hive.looking.agent_usage import answer_in
from hive.printing import say, show
from hive_agents.profiles import Profile
from hive_contracts.execution import Stream
from hive_store.task_store import EndedTask

__all__ = ["AgentVoice", "show_answer"]


class AgentVoice:
    """Takes the stream of an agent, and tells what it says: as it comes, to standard error."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._reader = profile.reader()
        self._told: str | None = None

    def write(self, stream: Stream, data: bytes) -> None:
        """Read on; what the program itself says to standard error is passed on."""
        if stream is Stream.STDERR:
            sys.stderr.write(data.decode(errors="replace"))
            sys.stderr.flush()
            return
        for line in data.splitlines(keepends=True):
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        self._reader.feed(line)
        report = self._reader.report
        # A result repeats what was said last.
        if report.text not in (None, self._told) and not report.is_done:
            self._told = report.text
            say(f"  {self._told}")

    def skip(self, stream: Stream, size: int) -> None:
        """Say how much is missing; in the middle of a line nothing could be read any more."""
        say(f"... {size:,} bytes of {stream} left out ...")
        self._reader = self._profile.reader()


def show_answer(ended: EndedTask) -> None:
    """Print what an agent gave as its result."""
    if (text := answer_in(ended.result)) is not None:
        show(text)

"""What people are told of an agent: what it says while it works, and what it gives at its end."""

import sys

from hive.looking.agent_usage import answer_in
from hive.printing import say, show
from hive_agents.profiles import Profile
from hive_contracts.execution import Stream
from hive_store.task_store import EndedTask

__all__ = ["AgentVoice"]


class AgentVoice:
    """Takes the stream of an agent, and tells what it says: as it comes, to standard error.

    What was said last is told when something else is said, because it may be the result.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._reader = profile.reader()
        self._last: str | None = None

    def write(self, stream: Stream, data: bytes) -> None:
        """Read on; what the program itself says to standard error is passed on."""
        if stream is Stream.STDERR:
            sys.stderr.write(data.decode(errors="replace"))
            sys.stderr.flush()
            return
        for line in data.splitlines(keepends=True):
            self._hear(line)

    def skip(self, stream: Stream, size: int) -> None:
        """Say how much is missing; in the middle of a line nothing could be read any more."""
        say(f"... {size:,} bytes of {stream} left out ...")
        self._reader = self._profile.reader()

    def end(self, ended: EndedTask) -> None:
        """Print what the agent gave as its result; tell what it said last if that is another."""
        answer = answer_in(ended.result)
        if answer != self._last:
            self._tell_last()
        if answer is not None:
            show(answer)

    def _hear(self, line: bytes) -> None:
        self._reader.feed(line)
        text = self._reader.report.text
        if text not in (None, self._last):
            # What is said in pieces is one text that grows.
            if self._last is not None and not str(text).startswith(self._last):
                self._tell_last()
            self._last = text

    def _tell_last(self) -> None:
        if self._last is not None:
            say("\n".join(f"  {line}" for line in self._last.splitlines()))

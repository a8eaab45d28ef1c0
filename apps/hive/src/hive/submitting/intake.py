"""Take tasks in from lines, chunk by chunk, up to the end, a line that is refused, or a stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hive.submitting.checking import Checked
from hive.submitting.feeding import Feeder, NumberedTask
from hive.submitting.lines import Line, LineReader, LineSource, RefusedLineError, digest_of
from hive.words import counted
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId

__all__ = ["Intake", "Standing"]


class ChangedFileError(ConfigurationError):
    """The file is not the one that was looked over."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has changed since it was looked over; nothing more of it goes in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an intake is."""

    tasks: int
    last_line: int
    group: str
    is_certain: bool = True
    """Whether it is known that nothing after that line is in."""

    def __str__(self) -> str:
        if not self.tasks:
            return "nothing is in" if self.is_certain else "it is not known whether any is in"
        rest = "none after it" if self.is_certain else "of those after it nothing is known"
        return (
            f"{counted(self.tasks, 'task is', 'tasks are')} in, group {self.group}:"
            f" all up to line {self.last_line:,}, {rest}"
        )


class Intake:
    """One source on its way in."""

    def __init__(
        self,
        source: LineSource,
        reader: LineReader,
        feeder: Feeder,
        *,
        checked: Checked | None,
        on_accepted: Callable[[Sequence[TaskId]], None],
    ) -> None:
        self._source = source
        self._reader = reader
        self._feeder = feeder
        self._checked = checked
        self._on_accepted = on_accepted
        self._chunks = 0
        self.is_cut_short = False
        """Whether a stop has kept lines out."""

    def stop(self) -> None:
        """Take nothing more in; what is on its way to Postgres still goes."""
        self.is_cut_short = not (self._has_seen_all or self._source.is_exhausted)
        self._source.stop()
        self._feeder.stop()

    async def run(self) -> None:
        """Take everything in.

        Raises:
            RefusedLineError: a line is refused; what was before it is in.
            ChangedFileError: the file is no longer what was checked; what was before that is in.
            UnsureError: Postgres went away for too long.
        """
        while chunk := await self._source.chunk():
            self._see_that_it_is_as_checked(chunk)
            await self._put(chunk)
        is_short = self._checked is not None and self._chunks < len(self._checked.digests)
        if is_short and not self.is_cut_short:
            raise ChangedFileError(self._source.name)

    @property
    def _has_seen_all(self) -> bool:
        return self._checked is not None and self._chunks >= len(self._checked.digests)

    def _see_that_it_is_as_checked(self, chunk: list[Line]) -> None:
        place = self._chunks
        self._chunks += 1
        if self._checked is None:
            return
        digests = self._checked.digests
        if place >= len(digests) or digests[place] != digest_of(chunk):
            raise ChangedFileError(self._source.name)

    async def _put(self, chunk: list[Line]) -> None:
        tasks: list[NumberedTask] = []
        refusal: RefusedLineError | None = None
        for line in chunk:
            try:
                task = self._reader.read(line)
            except RefusedLineError as error:
                refusal = error
                break
            if task is not None:
                tasks.append(NumberedTask(line.number, task))
        if tasks:
            self._on_accepted(await self._feeder.put(tasks))
        if refusal is not None:
            raise refusal

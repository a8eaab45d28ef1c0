"""Look over a whole file before anything of it is submitted."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from hive.panel import Panel
from hive.submitting.lines import LineReader, LineSource, RefusedLineError, digest_of
from hive_contracts.errors import ConfigurationError

__all__ = ["Checked", "RefusedFileError", "check_file"]

MOST_TOLD: Final = 10


class RefusedFileError(ConfigurationError):
    """A file with lines that are no tasks; the message names the first ones."""

    def __init__(self, name: str, faults: list[RefusedLineError], count: int) -> None:
        more = [f"and {count - len(faults):,} more"] if count > len(faults) else []
        told = "".join(f"\n  {line}" for line in (*map(str, faults), *more))
        what = "a line is" if count == 1 else f"{count:,} lines are"
        super().__init__(f"{name}: nothing was submitted, because {what} refused:{told}")


@dataclass(slots=True)
class Checked:
    """What a file holds."""

    tasks: int = 0
    digests: list[bytes] = field(default_factory=list[bytes])
    """What tells each chunk from any other, so that a change of the file is noticed."""


async def check_file(source: LineSource, reader: LineReader, panel: Panel) -> Checked:
    """Read the file to its end.

    Raises:
        RefusedFileError: lines of it are no tasks.
    """
    checked, faults, fault_count, number = Checked(), list[RefusedLineError](), 0, 0
    try:
        while chunk := await source.chunk():
            for line in chunk:
                try:
                    checked.tasks += reader.read(line) is not None
                except RefusedLineError as fault:
                    fault_count += 1
                    faults += [fault] if len(faults) < MOST_TOLD else []
            checked.digests.append(digest_of(chunk))
            number = chunk[-1].number
            if panel.is_live and panel.is_due:
                panel.draw([f"hive: looked over {number:,} lines of {source.name}"])
            # Reading a file waits for nothing, and Ctrl-C must be heard.
            await asyncio.sleep(0)
    except RefusedLineError as fault:
        fault_count += 1
        faults.append(fault)
    finally:
        panel.erase()
    if faults:
        raise RefusedFileError(source.name, faults[:MOST_TOLD], fault_count)
    return checked

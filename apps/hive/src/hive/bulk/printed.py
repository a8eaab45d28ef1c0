"""Which outputs of a map have been printed here already, for whoever watches it again.

Kept in the data directory when somebody goes away, and gone once all are printed. Without the
file, on another machine for one, all outputs are printed.
"""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from hive_contracts.ids import TaskId

__all__ = ["PrintedOutputs"]


class PrintedOutputs:
    """The outputs of one group."""

    def __init__(self, data_dir: Path, group: str) -> None:
        self._path = data_dir / "maps" / f"{quote(group, safe='')}.printed"

    def read(self) -> set[TaskId]:
        """Return the tasks whose outputs have been printed; none if nothing is known."""
        try:
            return {TaskId(int(line)) for line in self._path.read_text("ascii").split()}
        except (OSError, ValueError):
            return set()

    def write(self, task_ids: Iterable[TaskId]) -> None:
        """Remember tasks whose outputs have been printed.

        Raises:
            OSError: they cannot be written.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text("".join(f"{task_id}\n" for task_id in task_ids), "ascii")
        draft.replace(self._path)

    def forget(self) -> None:
        """Remember nothing more."""
        self._path.unlink(missing_ok=True)

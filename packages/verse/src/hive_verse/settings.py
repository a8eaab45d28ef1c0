"""What an operator decides about verse."""

import os
from dataclasses import dataclass
from pathlib import Path

from hive_contracts.user_folders import state_folder

__all__ = ["VerseSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerseSettings:
    """Where verse is remembered."""

    clouds: Path | None = None
    """Folder of what each agent has said, a file of SQLite for each; unset for the user's state."""

    @property
    def folder(self) -> Path:
        """The folder of the clouds."""
        return self.clouds or state_folder(os.environ) / "verse"

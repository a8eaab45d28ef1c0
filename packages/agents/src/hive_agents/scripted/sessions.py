"""What the scripted agent remembers of a session: where in its script it is, in a small file."""

import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Session", "folder_of_sessions"]


def folder_of_sessions() -> Path:
    """Return where sessions are kept."""
    named = os.environ.get("SCRIPTED_AGENT_HOME")
    return Path(named or Path(tempfile.gettempdir()) / f"scripted-agent-{os.getuid()}")


@dataclass(slots=True, kw_only=True)
class Session:
    """One session."""

    name: str
    script: list[str] = field(default_factory=list[str])
    done: int = 0
    """How many acts of the script are done."""

    def save(self) -> None:
        """Remember it."""
        folder = folder_of_sessions()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = folder / f"{self.name}.{os.getpid()}.new"
        new.write_text(json.dumps({"script": self.script, "done": self.done}), encoding="utf-8")
        new.replace(self._file(folder))

    @classmethod
    def load(cls, name: str) -> "Session | None":
        """Return a session that was saved; None if there is none here."""
        if re.fullmatch(r"[\w-]{1,100}", name) is None:
            return None
        try:
            text = (folder_of_sessions() / f"{name}.json").read_text(encoding="utf-8")
        except OSError:
            return None
        found: dict[str, Any] = json.loads(text)
        return cls(name=name, script=found["script"], done=found["done"])

    def _file(self, folder: Path) -> Path:
        return folder / f"{self.name}.json"

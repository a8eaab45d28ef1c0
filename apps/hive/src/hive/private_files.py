"""Files that hold passwords: replaced in one step, and never readable by anybody else."""

from pathlib import Path

__all__ = ["replace_private"]


def replace_private(path: Path, text: str) -> None:
    """Write the file `path` anew, for its owner's eyes only; who reads it sees all or nothing."""
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)

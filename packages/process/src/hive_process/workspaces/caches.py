"""Bring a cache into a workspace: linked where nothing can come of it, copied where it could.

A hard link is one file with two names. A program that writes it where it is, instead of putting
another in its place, writes it for everybody; so only files are linked that nobody has the right to
write, their owner neither (`chmod a-w`). Stores of packages are made so, those of Go and Nix among
them. Root may write such files all the same, so a worker that runs as root links nothing; nor is
linked what lies on another disk, or belongs to others (`fs.protected_hardlinks`).
"""

import os
import shutil
import stat
from pathlib import Path

__all__ = ["link_or_copy"]

_ANYBODY_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Have `target` be the file `source`, or a copy of it; for `shutil.copytree`.

    Raises:
        OSError: it cannot be read, or there is no room.
    """
    status = Path(source).stat()
    if stat.S_ISREG(status.st_mode) and not status.st_mode & _ANYBODY_WRITES and os.geteuid() != 0:
        try:
            os.link(source, target)
        except OSError:
            # Another disk, another owner, or too many links: a copy is as good, and takes longer.
            pass
        else:
            return
    shutil.copy2(source, target)

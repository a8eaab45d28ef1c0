"""Files that hold passwords: replaced in one step, and never readable by anybody else.

A rename puts a file in the place of whatever has its name, also of a device or a pipe that others
use. So what is there and is no regular file is left alone.
"""

import errno
import os
import stat
from pathlib import Path

__all__ = ["is_seen_by_others", "refuse_what_is_no_file", "replace_private"]


def refuse_what_is_no_file(path: Path) -> None:
    """Return if `path` is free, or a regular file, itself or by symbolic links.

    Raises:
        OSError: it is a directory, a device, a pipe or a socket, which no file may replace.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a device, a pipe or a socket"
        raise OSError(errno.EEXIST, f"{path.name} is {kind}, and no file")


def replace_private(path: Path, text: str) -> None:
    """Write the file `path` anew, for its owner's eyes only; who reads it sees all or nothing.

    Raises:
        OSError: it cannot be written, or something else than a file has its name.
    """
    refuse_what_is_no_file(path)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - by number
        file.write(text)
    draft.replace(path)


def is_seen_by_others(path: Path) -> bool:
    """Return whether others may read `path`, a file of this user.

    Of another's file (root reads them all) its owner takes care, as ssh has it with its keys.
    """
    status = path.stat()
    return status.st_uid == os.geteuid() and bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))

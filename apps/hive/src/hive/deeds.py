"""Who does something by hand, as the audit wants to know it."""

import getpass
import os
import socket
from collections.abc import Mapping

from hive_store.deeds import Deed

__all__ = ["deed_of_mine"]


def deed_of_mine(
    what: str, *, target: str | None = None, details: Mapping[str, object] | None = None
) -> Deed:
    """Return what the person at this command line does, with their name and their host's."""
    return Deed(
        actor=_account(),
        host=socket.gethostname(),
        what=what,
        target=target,
        details=details or {},
    )


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container a user may have a number alone.
        return str(os.getuid())

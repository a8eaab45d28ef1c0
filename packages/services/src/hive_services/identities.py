"""As whom Postgres runs, since it refuses to run as root.

- An ordinary user runs it as himself.
- Root runs it in a user namespace of its own, in which root is called `daemon` (or another
  account): to the rest of the machine it is root without any privilege. No account is made, and
  the data directory stays root's and closed to everybody else.
- Where namespaces are not allowed (most containers), root runs it as the account `hive` or
  `postgres`.

Clients are known by their user id, which the kernel tells (peer authentication); there is no
password. Inside the namespace root's id appears as the mapped account's, and everybody else's as
that of `nobody`, so the mapped account must be another one for the check to mean anything. Without
such an account what protects the server is that its socket is in a directory which only its owner
may enter.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["Identity", "choose_identity", "find_tool"]

MAPPED_IDS: Final = (1, 2, 3, 65534)
"""User ids to appear as inside the namespace: the first that has a name. 65534 is `nobody`."""

ACCOUNTS: Final = ("hive", "postgres")
PROBE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As whom a program runs."""

    description: str
    """For people: `user namespace as daemon`, `account postgres`."""

    prefix: tuple[str, ...]
    """What to put before a command line so that it runs as this identity."""

    owner: int
    """User id that owns its files, as the rest of the machine sees it."""

    clients: tuple[str, ...]
    """Names under which the server sees those who may log in."""


def find_tool(name: str) -> str:
    """Return the path of `name`, a program of util-linux.

    Raises:
        ConfigurationError: it is not on PATH.
    """
    path = shutil.which(name)
    if path is None:
        raise ConfigurationError(f"the program {name} is not on PATH: install util-linux")
    return path


def choose_identity() -> Identity:
    """Return as whom Postgres is to run when this process starts it.

    Raises:
        ConfigurationError: there is no way; the message says what would make one.
    """
    user_id = os.geteuid()
    name = _name_of(user_id)
    if user_id != 0 and name is not None:
        # Root is let in too: it can become anybody anyhow, and `hive status` as root should work.
        return Identity(
            description=f"user {name}", prefix=(), owner=user_id, clients=(name, "root")
        )
    identity = _in_a_namespace(user_id)
    if identity is None and user_id == 0:
        identity = _as_an_account()
    if identity is None:
        raise ConfigurationError(_no_way(user_id))
    return identity


def _no_way(user_id: int) -> str:
    if user_id == 0:
        return (
            "Postgres refuses to run as root, and this machine allows no user namespaces: run Hive "
            "as an ordinary user, or make an account for it with `useradd --system hive`"
        )
    return (
        f"user id {user_id} has no name in /etc/passwd, which Postgres needs, and this machine "
        "allows no user namespaces: give the user a name, or run Hive as another"
    )


def _in_a_namespace(user_id: int) -> Identity | None:
    unshare = shutil.which("unshare")
    mapped = next(((found, name) for found in MAPPED_IDS if (name := _name_of(found))), None)
    if unshare is None or mapped is None:
        return None
    mapped_id, name = mapped
    prefix = (unshare, "-U", f"--map-user={mapped_id}", f"--map-group={mapped_id}", "--")
    if not _runs((*prefix, "true")):
        return None
    return Identity(
        description=f"user namespace as {name}", prefix=prefix, owner=user_id, clients=(name,)
    )


def _as_an_account() -> Identity | None:
    for name in ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        user, group = str(account.pw_uid), str(account.pw_gid)
        prefix = (find_tool("setpriv"), "--reuid", user, "--regid", group, "--clear-groups", "--")
        if _runs((*prefix, "true")):
            return Identity(
                description=f"account {name}",
                prefix=prefix,
                owner=account.pw_uid,
                clients=(name, "root"),
            )
    return None


def _name_of(user_id: int) -> str | None:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return None


def _runs(command: tuple[str, ...]) -> bool:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
            check=False,
            start_new_session=True,  # as in `binaries`: a Ctrl-C is not for it
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0

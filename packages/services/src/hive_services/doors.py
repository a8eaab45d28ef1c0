"""The door by which other machines reach an embedded server: an address, a port and a password.

    <data directory>/<service>.door   {"port": 24012, "password": "..."}, for its owner's eyes only

Port and password are made once and kept, so that who has joined finds the server again after a
restart. To change them, remove the file while the server is down. Nothing is encrypted on the way;
the password keeps strangers out, and does not keep them from listening.
"""

import contextlib
import errno
import json
import secrets
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError, ServiceUnavailableError
from hive_services.homes import Home, claim_directory

__all__ = ["Door", "door_of"]

PORTS: Final = {"postgres": range(20_000, 25_000), "redis": range(25_000, 30_000)}
"""Apart, so that the two never take the same one; and below those that the kernel gives to outgoing
connections, of which one could have a port when its server starts again."""

PASSWORD_BYTES: Final = 24
TRIES: Final = 100

BEYOND: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that stand for any other machine (RFC 5737, RFC 3849). Nothing is sent to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where one server listens beside its socket."""

    address: str
    """An address of this machine; 0.0.0.0 or :: for all of them."""

    port: int
    password: str
    """Letters and digits, so that neither a URL nor a settings file has to quote it."""

    @property
    def place(self) -> str:
        """Host and port as other machines' URLs have them.

        Raises:
            ConfigurationError: it is open at all addresses, and none of them leads out.
        """
        host = ip_address(self.address)
        if host.is_unspecified:
            host = ip_address(_outward_address(self.address))
        return f"[{host}]:{self.port}" if isinstance(host, IPv6Address) else f"{host}:{self.port}"

    def see_that_it_is_free(self) -> None:
        """See that a server could listen there now.

        Raises:
            ServiceUnavailableError: this machine does not have the address, or another program has
                the port.
        """
        try:
            with _listening(self.address, self.port):
                pass
        except OSError as error:
            raise _no_door(self.address, self.port, error) from error


def door_of(data_dir: Path, service: str, address: str) -> Door:
    """Return the door of a service at `address`: with the port and password it had, or new ones.

    Raises:
        ConfigurationError: the file or the directory cannot be used.
        ServiceUnavailableError: there is no door yet, and nothing can listen at that address.
    """
    home = Home(data_dir.expanduser().resolve(), service)
    claim_directory(home.root)
    if not home.door.exists():
        _make(home.door, _free_port(address, PORTS[service]))
    try:
        kept = json.loads(home.door.read_text(encoding="utf-8"))
        return Door(address=address, port=int(kept["port"]), password=str(kept["password"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{home.door} cannot be read ({type(error).__name__}): remove it, start again, and"
            " copy the join file to the other machines anew"
        ) from error


def _make(path: Path, port: int) -> None:
    text = json.dumps({"port": port, "password": secrets.token_hex(PASSWORD_BYTES)})
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600, exist_ok=False)
    try:
        draft.write_text(f"{text}\n", encoding="utf-8")
        # Linked, not renamed: if two make it at the same time, both use the first one's.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _free_port(address: str, ports: range) -> int:
    for _ in range(TRIES):
        port = secrets.choice(ports)
        try:
            with _listening(address, port):
                return port
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _no_door(address, port, error) from error
    raise ServiceUnavailableError(
        f"{TRIES} ports of {address} between {ports.start} and {ports.stop} were tried, and all are"
        " taken; `ss -tlnp` lists by whom"
    )


def _no_door(address: str, port: int, error: OSError) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        f"nothing can listen at {address}, port {port}: {error.strerror}; `ip address` lists this"
        " machine's addresses, `ss -tlnp` which program has which port"
    )


def _listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens there, as a server's own would."""
    listener = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _outward_address(everywhere: str) -> str:
    family = _family(everywhere)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((BEYOND[family], 9))
            return probe.getsockname()[0]
    except OSError as error:
        raise ConfigurationError(
            f"services.listen is {everywhere}, and no address of this machine leads out: name the"
            " one by which others reach it (`ip address` lists them)"
        ) from error


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if isinstance(ip_address(address), IPv6Address) else socket.AF_INET

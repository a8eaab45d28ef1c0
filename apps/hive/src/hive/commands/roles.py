"""`hive roles`: what a shared Postgres and a shared Redis are told of who may do what."""

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["roles"]


class Server(StrEnum):
    """Whose roles are printed."""

    POSTGRES = "postgres"
    REDIS = "redis"


def roles(
    server: Annotated[
        Server, typer.Argument(help="The server that is to know the roles.")
    ] = Server.POSTGRES,
) -> None:
    """Print the roles of least privilege, to be read and then given to the server.

    Example: hive roles > roles.sql, then psql -v prefix=hive -f roles.sql

    Nothing is changed here; the first lines of what is printed say how to use it.
    """
    from importlib.resources import files  # noqa: PLC0415

    package, name = {
        Server.POSTGRES: ("hive_store", "roles.sql"),
        Server.REDIS: ("hive_dispatch", "redis-acl.conf"),
    }[server]
    print(files(package).joinpath(name).read_text(encoding="utf-8"), end="")

"""What `hive up` keeps up on this machine, by the settings: servers, a queen, and workers."""

import sys
from functools import partial

from hive.keeper import Program
from hive.settings import Settings
from hive.supervisor import Plan, Server
from hive.up_state import Invitation, logs_folder
from hive_contracts.errors import ConfigurationError
from hive_services.doors import Door, door_of
from hive_services.postgres import EmbeddedPostgres
from hive_services.redis import EmbeddedRedis
from hive_store.migrating import migrate

__all__ = ["HIVE", "local_plan"]

HIVE = (sys.executable, "-P", "-m", "hive")
"""This very Hive. Without -P a module in the working directory could stand in for one of ours."""

QUEEN_GRACE_SECONDS = 5.0


def local_plan(settings: Settings) -> Plan:
    """Return the plan of `hive up`: the embedded servers, unless others are named, and the rest.

    Raises:
        ConfigurationError: the settings have it listen, and there is nothing that could.
        ServiceUnavailableError: nothing can listen at that address.
    """
    data_dir = settings.services.data_dir
    servers: list[tuple[str, Server]] = []
    database_url = database_url_for_others = settings.database.url
    redis_url = redis_url_for_others = settings.redis.url
    if database_url is None:
        postgres = EmbeddedPostgres(data_dir, door=_door(settings, "postgres"))
        database_url, database_url_for_others = postgres.url, postgres.url_for_others
        servers.append(("postgres", postgres))
    if redis_url is None:
        redis = EmbeddedRedis(data_dir, door=_door(settings, "redis"))
        redis_url, redis_url_for_others = redis.url, redis.url_for_others
        servers.append(("redis", redis))
    urls = {"HIVE_DATABASE_URL": database_url, "HIVE_REDIS_URL": redis_url}
    return Plan(
        data_dir=data_dir,
        database_url=database_url,
        redis_url=redis_url,
        servers=servers,
        stages=[[_queen(settings, urls)], _workers(settings, urls)],
        hurry_seconds=settings.worker_hurry_seconds,
        migrate=partial(migrate, database_url),
        invitation=_invitation(settings, database_url_for_others, redis_url_for_others),
    )


def _door(settings: Settings, service: str) -> Door | None:
    address = settings.services.listen
    return None if address is None else door_of(settings.services.data_dir, service, address)


def _invitation(
    settings: Settings, database_url: str | None, redis_url: str | None
) -> Invitation | None:
    address = settings.services.listen
    if address is None or database_url is None or redis_url is None:
        return None
    if database_url == settings.database.url and redis_url == settings.redis.url:
        raise ConfigurationError(
            f"services.listen is {address}, and both servers are named by their URLs: nothing of"
            " this Hive's own would listen; leave it out, and name the same two URLs on the other"
            " machines"
        )
    return Invitation(address=address, database_url=database_url, redis_url=redis_url)


def _queen(settings: Settings, urls: dict[str, str]) -> Program:
    return Program(
        name="queen",
        argv=(*HIVE, "queen"),
        env=settings.for_children() | urls,
        log=logs_folder(settings.services.data_dir) / "queen.log",
        grace_seconds=QUEEN_GRACE_SECONDS,
    )


def _workers(settings: Settings, urls: dict[str, str]) -> list[Program]:
    return [
        Program(
            name=f"worker-{number}",
            argv=(*HIVE, "worker", "--async", "--processes", "1"),
            env=settings.for_children() | urls | _port(settings, number),
            log=logs_folder(settings.services.data_dir) / f"worker-{number}.log",
            grace_seconds=settings.worker_stop_seconds,
        )
        for number in range(1, settings.worker.processes + 1)
    ]


def _port(settings: Settings, number: int) -> dict[str, str]:
    # Two processes cannot listen on one port, so each further worker takes the next one.
    port = settings.worker.metrics_port
    return {"HIVE_WORKER_METRICS_PORT": str(port + number - 1)} if port else {}

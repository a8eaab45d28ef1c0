"""What `hive up` keeps up on this machine, by the settings: servers, a queen, and workers."""

import sys
from functools import partial

from hive.keeper import Program
from hive.settings import Settings
from hive.supervisor import Plan, Server
from hive.up_state import logs_folder
from hive_services.postgres import EmbeddedPostgres
from hive_services.redis import EmbeddedRedis
from hive_store.migrating import migrate

__all__ = ["HIVE", "local_plan"]

HIVE = (sys.executable, "-P", "-m", "hive")
"""This very Hive. Without -P a module in the working directory could stand in for one of ours."""

QUEEN_GRACE_SECONDS = 5.0


def local_plan(settings: Settings) -> Plan:
    """Return the plan of `hive up`: the embedded servers, unless others are named, and the rest."""
    data_dir = settings.services.data_dir
    servers: list[tuple[str, Server]] = []
    database_url, redis_url = settings.database.url, settings.redis.url
    if database_url is None:
        postgres = EmbeddedPostgres(data_dir)
        database_url = postgres.url
        servers.append(("postgres", postgres))
    if redis_url is None:
        redis = EmbeddedRedis(data_dir)
        redis_url = redis.url
        servers.append(("redis", redis))
    urls = {"HIVE_DATABASE_URL": database_url, "HIVE_REDIS_URL": redis_url}
    return Plan(
        data_dir=data_dir,
        database_url=database_url,
        redis_url=redis_url,
        servers=servers,
        stages=[[_queen(settings, urls)], _workers(settings, urls)],
        migrate=partial(migrate, database_url),
    )


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

"""A Postgres and a Redis of one's own for one machine: find, start, stop."""

from hive_services.embedded import ServiceUrls, embedded_services
from hive_services.postgres import EmbeddedPostgres
from hive_services.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "ServiceUrls", "embedded_services"]

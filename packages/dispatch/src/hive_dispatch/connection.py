"""Clients of Redis with time limits, so that a frozen server is found, and errors to name."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hive_contracts.errors import BusUnavailableError, ConfigurationError

__all__ = ["ANSWER_SECONDS", "open_client", "translated"]

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0
"""A server that takes longer to answer counts as away; a wait at the bell must be shorter."""

REASON_CHARACTERS: Final = 300

AWAY: Final = (RedisConnectionError, RedisTimeoutError, ResponseError, WatchError, OSError)
"""What redis-py raises when Redis is not there, or will not serve us as things stand.

A connection lost between WATCH and EXEC comes out as a `WatchError`.
"""


def open_client(url: str) -> ArqRedis:
    """Return a client of the Redis at `url`; it connects when it is first used.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        # A unix socket has no keepalive, and redis-py refuses the option there.
        keepalive = {} if urlsplit(url).scheme == "unix" else {"socket_keepalive": True}
        client_class: Any = ArqRedis  # redis-py leaves its options untyped
        return client_class.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # Telling Redis who we are costs a round trip, on which a frozen server is waited for
            # while the pool is locked.
            lib_name=None,
            lib_version=None,
            **keepalive,
        )
    except ValueError as error:
        raise ConfigurationError(f"the Redis URL cannot be read: {error}") from error


@contextmanager
def translated(action: str) -> Generator[None]:
    """Turn whatever says that Redis does not serve us into `BusUnavailableError`.

    Args:
        action: what Redis was to do, as a verb: "take bundles".
    """
    try:
        yield
    except AWAY as error:
        # redis-py quotes the whole command, bundle and all, when a pipeline is refused.
        reason = (str(error) or type(error).__name__)[:REASON_CHARACTERS]
        raise BusUnavailableError(f"Redis did not {action}: {reason}") from error

"""redis-py, without what Hive does not use of it."""

from hive_contracts.deferring import deferred

__all__ = [
    "InvalidResponse",
    "Redis",
    "RedisConnectionError",
    "RedisTimeoutError",
    "ResponseError",
]

with deferred("jwt"):
    from redis.asyncio import Redis
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import InvalidResponse, ResponseError
    from redis.exceptions import TimeoutError as RedisTimeoutError

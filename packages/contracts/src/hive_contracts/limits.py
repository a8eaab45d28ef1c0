"""Limits that hold for the whole cluster: how many tasks run at once, and how fast they start."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

__all__ = ["Limit", "LimitScope", "PausedQueue", "UsedLimit", "limit_name"]


@unique
class LimitScope(StrEnum):
    """Which tasks a limit holds for together."""

    QUEUE = "queue"
    """Those of one queue."""

    KIND = "kind"
    """Those of one kind, whatever their queue."""

    KEY = "key"
    """Those whose key begins with the target, whatever their queue."""


def limit_name(scope: LimitScope, target: str) -> str:
    """Return how a limit is called: one scope and target have one limit."""
    return f"{scope}:{target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What is allowed."""

    scope: LimitScope
    target: str
    """The name of a queue or a kind, or what keys begin with."""

    max_running: int | None = None
    """Most tasks that may be leased at once, 0 or more; None for any number."""

    rate: float | None = None
    """How many tasks may start in a second, in the long run; None for any number."""

    burst: int | None = None
    """How many may start at once after a pause; None for a second's worth, and 1 at least."""

    @property
    def name(self) -> str:
        """How it is called."""
        return limit_name(self.scope, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedLimit:
    """A limit, and how far it is used."""

    limit: Limit
    running: int
    """How many of its tasks are leased."""

    held_up: int
    """How many tasks wait for it. Those that wait for the limit of their queue stay queued."""

    tokens: float | None
    """How many may start now by its rate; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedQueue:
    """A queue of which nothing is claimed."""

    name: str
    at: datetime
    by: str
    reason: str | None

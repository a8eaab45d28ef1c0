"""What a queen hands to a worker: the right to accept a lease, and nothing else.

The bundle names the lease; the tasks stay in Postgres, where the worker reads them once its accept
has been granted. A bundle that is late, doubled or forged therefore does nothing.
"""

from dataclasses import dataclass

from hive_contracts.ids import LeaseId

__all__ = ["Bundle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The tasks of one lease, on their way to a worker."""

    lease_id: LeaseId
    queue: str
    """The line in which its tasks waited: a queue's name, or that of a line with needs."""

    size: int
    """How many tasks the lease holds."""

"""Submit tasks and wait for their results from Python."""

from hive_client.hive import Hive

__all__ = ["Hive"]

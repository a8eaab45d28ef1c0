"""The queen's loops: claim, reap, sweep, reconcile, and the duties of a term."""

from hive_queen.queen import Queen, open_queen
from hive_queen.settings import QueenSettings

__all__ = ["Queen", "QueenSettings", "open_queen"]

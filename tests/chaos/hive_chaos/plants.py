"""Faults that are planted in Hive's own code, to see that a run finds them.

Nothing of Hive knows of this. The processes of a planted run have `planted/` on their import path,
and Python itself loads `planted/sitecustomize.py` when it starts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["PLANTS", "environment_of"]

PLANTS: Final = {
    "no-fence": "a finish changes a task whichever lease it names",
    "endless-proof": "a worker and its guardian believe that leases never lapse",
    "forgotten-tasks": "the reaper ends leases, and leaves their tasks as they are",
    "forgotten-permit": "a queen never gives one permit back",
    "early-child": "a task goes on though those that it comes after have not ended",
    "no-line": "the last task of a key in line is the first to get the turn",
    "no-limit": "claims find room under every limit",
    "missed-ticks": "of several moments that are due a queen submits the last",
    "told-early": "a worker tells of an end before it is committed",
}
"""By name, what is broken."""


def environment_of(plants: Sequence[str]) -> Mapping[str, str]:
    """Return what the environment of Hive's processes must have for faults to be planted."""
    return {"PYTHONPATH": str(Path(__file__).parent / "planted"), "CHAOS_PLANT": ",".join(plants)}

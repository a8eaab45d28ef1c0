"""What stands in a subscription where frames may be missing."""

from dataclasses import dataclass

__all__ = ["Gap"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames may be missing here: whoever must know all of them looks into the store now."""

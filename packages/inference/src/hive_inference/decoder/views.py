"""What attention looks at in a step: made once, since a view costs as much as a small product."""

from dataclasses import dataclass

from hive_inference.arrays import F32

__all__ = ["Views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Arrays that every layer of a step looks at, and the next steps too: made once for them."""

    rows: int
    horizon: int
    """T: how many columns of the cache are read."""

    new: F32
    """(R, 2, G, D), keys and values of the new positions."""

    queries: F32
    """(R, G, H / G, 1, D)."""

    keys: list[F32]
    """For each layer (R, G, 1, D, T)."""

    values: list[F32]
    """For each layer (R, G, 1, T, D)."""

    scores: F32
    """(R, G, H / G, 1, T)."""

    by_row: F32
    """The scores as (R, H, T)."""

    by_fours: F32
    """The scores as (R H / 4 rounded up, 4, T); what fills the last four up is finite."""

    hidden: F32
    """(R, 1, T)."""

    sums: F32
    """(R H / 4 rounded up, 4, 1)."""

    sums_by_head: F32
    """The sums as (R, G, H / G, 1, 1)."""

    ones: F32
    """(T, 1)."""

    attended: F32
    """(R, G, H / G, 1, D)."""

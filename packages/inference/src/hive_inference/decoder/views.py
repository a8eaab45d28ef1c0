"""What a step looks at: made once, since a view costs as much as a small product."""

from dataclasses import dataclass

from hive_inference.arrays import F32, I64
from hive_inference.kernels.norms import Normalise

__all__ = ["FirstRows", "Views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRows:
    """The first rows of every buffer."""

    rows: int

    x: F32
    """(R, E), the residual stream."""

    normalise: Normalise
    """Writes it normalised to where the next layer takes it from."""

    heads: F32
    """(R, H + 2 G, D), queries, keys and values of the new positions."""

    turned: F32
    """(R, H + G, D), those of them that a rotation turns."""

    added: F32
    """(R, E), what comes to the residual stream."""

    up: F32
    """(R, F), or (R, 2 F) with a gate."""

    activated: F32
    """(R, F)."""

    logits: F32
    """(R, V)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What attention looks at, in every layer of a step and in the next steps too."""

    rows: int
    horizon: int
    """T: how many columns of the cache are read."""

    places: I64
    """(R,), the numbers of the slots."""

    both: list[F32]
    """For each layer the cache, (2, S, G, C, D)."""

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
    """The scores as (R H / 4 rounded up, 4, T); what fills the last four up may be
    anything, and reaches no other row."""

    hidden: F32
    """(R, 1, T)."""

    sums: list[F32]
    """For each layer (R H / 4 rounded up, 4, 1)."""

    sums_by_head: list[F32]
    """The sums as (R, G, H / G, 1, 1)."""

    all_sums: F32
    """(L, R H), the sums of all layers, without those that fill up."""

    ones: F32
    """(T, 1)."""

    attended: F32
    """(R, G, H / G, 1, D)."""

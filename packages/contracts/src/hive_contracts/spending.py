"""What attempts spend: money, tokens and turns.

Money is whole millionths of a dollar: sums of it are exact, and a price of a fraction of a cent is
not lost. What is not known is None and never 0.
"""

from dataclasses import dataclass

__all__ = ["Spending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one attempt has spent so far, in all. Each is at least 0, or None if nobody knows."""

    microdollars: int | None = None
    """Millionths of a US dollar."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    turns: int | None = None
    """How often a model was asked."""

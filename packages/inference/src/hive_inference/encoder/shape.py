"""What an encoder is made of: its sizes."""

from dataclasses import dataclass

from hive_inference.errors import WeightsError

__all__ = ["EncoderShape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderShape:
    """The sizes of an encoder whose norms stand behind each part (post-norm), as in BERT."""

    vocabulary: int
    """V."""

    width: int
    """E."""

    layers: int
    """L."""

    heads: int
    """H; the width is a multiple."""

    feed_forward: int
    """F."""

    context: int
    """C: most tokens of a text."""

    epsilon: float = 1e-12
    """Added to the variance before its root is taken."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be.

        Raises:
            WeightsError: a size is below 1, or the heads do not divide the width.
        """
        for name in ("vocabulary", "width", "layers", "heads", "feed_forward", "context"):
            if getattr(self, name) < 1:
                raise WeightsError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.width % self.heads:
            raise WeightsError(f"{self.heads} heads cannot share a width of {self.width}")

    @property
    def head_width(self) -> int:
        """Return D."""
        return self.width // self.heads

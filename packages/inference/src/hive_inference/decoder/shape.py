"""What a decoder is made of: its sizes, and which of the known parts it uses."""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from hive_inference.errors import WeightsError

__all__ = ["Activation", "DecoderShape", "Norm", "Positions"]

HEAD_PANEL: Final = 64
"""A vocabulary may have any size; a layer's outputs are laid out in panels of equal width."""


@unique
class Positions(StrEnum):
    """How a decoder knows where a token stands."""

    LEARNED = "learned"
    """A vector for each position is added to the token's."""

    ROTARY = "rotary"
    """Queries and keys are turned by an angle that grows with the position."""


@unique
class Activation(StrEnum):
    """What stands between the two layers of a feed-forward network."""

    GELU_TANH = "gelu_tanh"
    """GELU in the form that GPT-2 was trained with."""

    GELU_ERF = "gelu_erf"
    """GELU itself, within 3e-5."""

    GATED_SILU = "gated_silu"
    """One layer's outputs times the SiLU of another's, as in Llama."""


@unique
class Norm(StrEnum):
    """What stands in front of each part."""

    LAYER = "layer"
    """Mean off, then the root mean square norm, scale and shift."""

    ROOT_MEAN_SQUARE = "root_mean_square"
    """The root mean square norm and a scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderShape:
    """The sizes of a decoder whose norms stand in front (pre-norm)."""

    vocabulary: int
    """V."""

    width: int
    """E."""

    layers: int
    """L."""

    heads: int
    """H, of queries."""

    kv_heads: int
    """G, of keys and values; heads is a multiple."""

    head_width: int
    """D."""

    feed_forward: int
    """F."""

    context: int
    """C: most tokens that are looked at, the newest one among them."""

    positions: Positions = Positions.LEARNED
    activation: Activation = Activation.GELU_TANH
    norm: Norm = Norm.LAYER
    epsilon: float = 1e-5
    """Added to the variance before its root is taken."""

    rotary_base: float = 10_000.0
    """Angles shrink from 1 to 1 / base along a head."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be.

        Raises:
            WeightsError: a size is below 1, or two do not fit together; the message names them.
        """
        for name in ("vocabulary", "width", "layers", "heads", "kv_heads", "head_width",
                     "feed_forward", "context"):  # fmt: skip
            if getattr(self, name) < 1:
                raise WeightsError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.heads % self.kv_heads:
            raise WeightsError(f"{self.heads} heads cannot share {self.kv_heads} heads of keys")
        if self.positions is Positions.ROTARY and self.head_width % 2:
            raise WeightsError(f"a head of width {self.head_width} cannot be turned: it is odd")

    @property
    def query_width(self) -> int:
        """Return H D."""
        return self.heads * self.head_width

    @property
    def fused_width(self) -> int:
        """Return (H + 2 G) D, the outputs of the projections of attention together."""
        return (self.heads + 2 * self.kv_heads) * self.head_width

    @property
    def up_width(self) -> int:
        """Return the outputs of the first feed-forward layer: F, or 2 F with a gate."""
        is_gated = self.activation is Activation.GATED_SILU
        return self.feed_forward * (2 if is_gated else 1)

    @property
    def head_outputs(self) -> int:
        """Return V rounded up: the head's last outputs are of no token, and always 0."""
        return -(-self.vocabulary // HEAD_PANEL) * HEAD_PANEL

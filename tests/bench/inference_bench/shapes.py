"""The models that are measured: real sizes, random weights. What they say does not matter here."""

from dataclasses import asdict, dataclass
from typing import Any, Final

__all__ = ["ALPHABET", "D128", "D256", "GPT2", "MINILM", "READ_BYTES", "SONNET", "Shape"]

ALPHABET: Final = "".join(chr(code) for code in range(33, 126))

READ_BYTES: Final = 1 << 29
"""Larger than any cache: read once, they tell the memory's bandwidth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder's or an encoder's sizes."""

    name: str
    kind: str
    vocabulary: int
    width: int
    layers: int
    heads: int
    feed_forward: int
    context: int

    @property
    def weights(self) -> int:
        """How many numbers a token's way through the layers and the head reads."""
        layer = 4 * self.width * self.width + 2 * self.width * self.feed_forward
        head = self.vocabulary * self.width if self.kind == "decoder" else 0
        return self.layers * layer + head

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def encoder_operations(self, texts: int, length: int) -> float:
        """How many multiplications and additions a pass has, attention's products among them."""
        attention = 2 * self.layers * length * self.width
        return 2.0 * texts * length * (self.weights + attention)


def _decoder(name: str, width: int, *, layers: int = 4, heads: int = 4, vocabulary: int = 93,
             context: int = 1024) -> Shape:  # fmt: skip
    return Shape(
        name=name, kind="decoder", vocabulary=vocabulary, width=width, layers=layers, heads=heads,
        feed_forward=4 * width, context=context,
    )  # fmt: skip


D128: Final = _decoder("d128", 128)
D256: Final = _decoder("d256", 256)
GPT2: Final = _decoder("gpt2", 768, layers=12, heads=12, vocabulary=50_257)
SONNET: Final = _decoder("sonnet", 160, context=384)
MINILM: Final = Shape(
    name="minilm", kind="encoder", vocabulary=30_522, width=384, layers=6, heads=12,
    feed_forward=1536, context=512,
)  # fmt: skip

"""Torch, eager, with random weights: the same models as Hive's, as fast as plain torch has them.

    python torch_peer.py THREADS

Takes a line of JSON from its input, writes a line of JSON, and so on. A decoder has its keys and
values in tensors that are made once; queries, keys and values are one product; attention is torch's
own (`scaled_dot_product_attention`); no gradients (`inference_mode`). Torch alone is imported.
"""

# It is checked where torch is installed, in an environment of its own.
# pyright: basic, reportMissingImports=false

import json
import sys
import time
from typing import Any

import torch
from torch.nn import functional as f


class Block:
    """A layer's weights, as `torch.nn.Linear` keeps them: (outputs, inputs)."""

    def __init__(self, width: int, inner: int) -> None:
        self.qkv, self.qkv_bias = drawn(3 * width, width), drawn(3 * width)
        self.out, self.out_bias = drawn(width, width), drawn(width)
        self.up, self.up_bias = drawn(inner, width), drawn(inner)
        self.down, self.down_bias = drawn(width, inner), drawn(width)
        self.norms = [(drawn(width), drawn(width)) for _ in range(2)]


class Model:
    """A decoder (norms in front) or an encoder (norms behind)."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.width, self.heads = said["width"], said["heads"]
        self.embedding = drawn(said["vocabulary"], self.width)
        self.positions = drawn(said["context"], self.width)
        self.blocks = [Block(self.width, said["feed_forward"]) for _ in range(said["layers"])]
        self.final = drawn(self.width), drawn(self.width)
        self.head = drawn(said["vocabulary"], self.width)

    def norm(self, x: Any, parts: tuple[Any, Any]) -> Any:
        return f.layer_norm(x, (self.width,), *parts)

    def split(self, block: Block, x: Any) -> list[Any]:
        """Return queries, keys and values, (B, H, T, D) each."""
        fused = f.linear(x, block.qkv, block.qkv_bias)
        return [
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in fused.split(self.width, dim=-1)
        ]

    def decode(self, batch: int, tokens: int) -> None:
        """Make `tokens` tokens of `batch` sequences, each drawn by its probability."""
        room = (len(self.blocks), batch, self.heads, tokens, self.width // self.heads)
        keys, values = torch.zeros(room), torch.zeros(room)
        new = torch.zeros(batch, 1, dtype=torch.long)
        for place in range(tokens):
            x = self.embedding[new] + self.positions[place]
            for number, block in enumerate(self.blocks):
                q, k, v = self.split(block, self.norm(x, block.norms[0]))
                keys[number, :, :, place : place + 1] = k
                values[number, :, :, place : place + 1] = v
                seen = f.scaled_dot_product_attention(
                    q, keys[number, :, :, : place + 1], values[number, :, :, : place + 1]
                )
                seen = seen.transpose(1, 2).flatten(2)
                x = x + f.linear(seen, block.out, block.out_bias)
                inner = f.linear(self.norm(x, block.norms[1]), block.up, block.up_bias)
                inner = f.gelu(inner, approximate="tanh")
                x = x + f.linear(inner, block.down, block.down_bias)
            logits = f.linear(self.norm(x[:, 0], self.final), self.head)
            new = torch.multinomial(torch.softmax(logits, dim=-1), 1)

    def encode(self, batch: int, length: int) -> None:
        """Give each of `batch` texts of `length` tokens its vector."""
        texts = torch.randint(0, len(self.embedding), (batch, length))
        x = self.norm(self.embedding[texts] + self.positions[:length], self.final)
        for block in self.blocks:
            seen = f.scaled_dot_product_attention(*self.split(block, x))
            seen = f.linear(seen.transpose(1, 2).flatten(2), block.out, block.out_bias)
            x = self.norm(x + seen, block.norms[0])
            inner = f.gelu(f.linear(x, block.up, block.up_bias))
            x = self.norm(x + f.linear(inner, block.down, block.down_bias), block.norms[1])
        f.normalize(x.mean(dim=1), dim=-1)


def drawn(*size: int) -> Any:
    return 0.02 * torch.randn(size)


def main() -> None:
    """Do what each line says; answer with the seconds that it took."""
    torch.set_num_threads(int(sys.argv[1]))
    models: dict[str, Model] = {}
    with torch.inference_mode():
        for line in sys.stdin:
            asked = json.loads(line)
            kind = json.dumps(asked["model"])
            if kind not in models:
                models[kind] = Model(asked["model"])
            started = time.perf_counter()
            getattr(models[kind], asked["do"])(*asked["with"])
            print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)


if __name__ == "__main__":
    main()

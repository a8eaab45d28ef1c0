"""Train the model that writes verse, and put it where its package ships it.

    pip install 'hive-verse[training]'
    python tools/train_verse.py CORPUS WORK [--steps N]

CORPUS is a folder of public-domain text (see `verse_corpus.py`), of which nothing is kept but the
pieces of words. WORK gets checkpoints, the log and the model; a run that was ended goes on from its
last checkpoint. Every step draws from a seed of its own, so an interruption changes nothing.

The rate of learning stays until 3 of 4 steps are done, then falls to nothing; meanwhile sonnets
become half of what is read. Kept is the model with the least loss on sonnets that it never read.
"""

# pyright: basic, reportMissingImports=false
# Torch is installed by who trains alone.

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from verse_corpus import Corpus, Ngram, document, learn_pieces, read_corpus

from hive_inference.tokenizer import PieceTokenizer
from hive_verse.heading import MARK

SEED: Final = 154
LAYERS, HEADS, WIDTH, CONTEXT, PIECES = 4, 4, 160, 384, 768
BATCH: Final = 8
RATE, DECAY, DROPOUT = 2.5e-3, 0.1, 0.1
WARM_STEPS: Final = 100
FALL_FROM: Final = 0.75
SONNETS_FIRST, SONNETS_LAST = 0.15, 0.5
CHECK_EVERY: Final = 100
ROTARY_BASE: Final = 10_000.0


class Block(nn.Module):
    """Attention, then a feed-forward network, each behind a norm and added to the stream."""

    def __init__(self) -> None:
        """Make one with random weights."""
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Any, cosines: Any, sines: Any) -> Any:
        """Return the stream behind this block: (B, T, E) -> (B, T, E)."""
        rows, length, _ = x.shape
        fused = self.qkv(self.norm1(x)).view(rows, length, 3, HEADS, WIDTH // HEADS)
        q, k, v = fused.permute(2, 0, 3, 1, 4)
        q, k = _turned(q, cosines, sines), _turned(k, cosines, sines)
        with torch.autocast("cpu", enabled=False):
            seen = _attend(q, k, v)
        seen = self.out(seen.transpose(1, 2).reshape(rows, length, WIDTH))
        x = x + functional.dropout(seen, DROPOUT, self.training)
        inner = functional.gelu(self.up(self.norm2(x)), approximate="tanh")
        return x + functional.dropout(self.down(inner), DROPOUT, self.training)


class Model(nn.Module):
    """The decoder as `hive_inference` runs it."""

    def __init__(self) -> None:
        """Make one with random weights."""
        super().__init__()
        self.embedding = nn.Embedding(PIECES, WIDTH)
        self.layers = nn.ModuleList(Block() for _ in range(LAYERS))
        self.final = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, PIECES)
        for name, tensor in self.named_parameters():
            if tensor.ndim > 1:
                into_stream = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(tensor, std=0.02 / (math.sqrt(2 * LAYERS) if into_stream else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(tensor)
        half = WIDTH // HEADS // 2
        speeds = ROTARY_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.outer(torch.arange(CONTEXT, dtype=torch.float64), speeds).float()
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(self, tokens: Any) -> Any:
        """Return what may come after each token: (B, T) -> (B, T, V)."""
        length = tokens.shape[1]
        cosines, sines = self.cosines[:length], self.sines[:length]
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, cosines, sines)
        return self.head(self.final(x))


def _attend(q: Any, k: Any, v: Any) -> Any:
    """Return what each token sees of those up to itself.

    Written out, it takes half the time of torch's own in half precision on a processor.
    """
    length = q.shape[-2]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    return scores.masked_fill(later, -math.inf).softmax(-1) @ v


def _turned(x: Any, cosines: Any, sines: Any) -> Any:
    first, second = x.chunk(2, dim=-1)
    turned = [first * cosines - second * sines, second * cosines + first * sines]
    return torch.cat(turned, dim=-1).to(x.dtype)


class Examples:
    """Documents as the model reads them."""

    def __init__(self, corpus: Corpus, tokenizer: PieceTokenizer) -> None:
        """Read from `corpus`."""
        self.corpus = corpus
        self._tokenizer = tokenizer

    def batch(self, step: int, sonnets: float) -> tuple[Any, Any]:
        """Return what is read at a step, and what should come after it; -100 counts nothing."""
        choice = random.Random(f"{SEED} {step}")  # noqa: S311 - to be repeated
        return self.padded(
            [document(self.corpus.draw(choice, sonnets), choice) for _ in range(BATCH)]
        )

    def padded(self, documents: list[tuple[str, str]]) -> tuple[Any, Any]:
        """Return the tokens of documents and their targets; the heading is no target."""
        above = [self._tokenizer.encode(heading) for heading, _ in documents]
        below = [self._tokenizer.encode(text + MARK) for _, text in documents]
        length = min(CONTEXT, max(len(a) + len(b) for a, b in zip(above, below, strict=True)) - 1)
        tokens = torch.zeros(len(documents), length, dtype=torch.long)
        targets = torch.full((len(documents), length), -100)
        for row, (a, b) in enumerate(zip(above, below, strict=True)):
            line = torch.tensor((a + b)[: length + 1])
            tokens[row, : len(line) - 1] = line[:-1]
            targets[row, len(a) - 1 : len(line) - 1] = line[len(a) :]
        return tokens, targets


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=2100)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    corpus = read_corpus(given.corpus)
    pieces = _pieces(corpus, given.work / "pieces.json")
    examples = Examples(corpus, PieceTokenizer(pieces))
    held = {
        "plays": [document(lines) for lines in corpus.held_plays],
        "sonnets": [document(lines) for lines in corpus.held_sonnets],
    }
    if not (given.work / "checkpoint.pt").exists():
        print(json.dumps({"ngram": _ngram_losses(corpus, held)}), flush=True)
    _train(Model(), examples, held, given.work, given.steps)


def _train(
    model: Any, examples: Examples, held: dict[str, Any], work: Path, last_step: int
) -> None:
    matrices = [p for name, p in model.named_parameters() if p.ndim > 1 and "layers" in name]
    others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    optimizers = [
        torch.optim.Muon(matrices, lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    checkpoint, step, best = work / "checkpoint.pt", 0, math.inf
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        step, best = saved["step"], saved["best"]
    started = time.monotonic()
    while step < last_step:
        rate, sonnets = _plan(step, last_step)
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = rate
        loss = _learn(model, examples.batch(step, sonnets), optimizers, step)
        step += 1
        if step % CHECK_EVERY == 0 or step == last_step:
            losses = {kind: _loss(model, examples, texts) for kind, texts in held.items()}
            if losses["sonnets"] < best:
                best = losses["sonnets"]
                _export(model, examples, work, {"step": step, **losses})
            _save(checkpoint, model, optimizers, step, best)
            said = {"step": step, "read": loss, **losses, "seconds": time.monotonic() - started}
            print(json.dumps(said), flush=True)


def _plan(step: int, last_step: int) -> tuple[float, float]:
    """Return the rate of learning, and how much of what is read are sonnets."""
    fallen = max(0.0, (step / last_step - FALL_FROM) / (1 - FALL_FROM))
    rate = RATE * min(1.0, (step + 1) / WARM_STEPS) * (1 - fallen)
    return rate, SONNETS_FIRST + (SONNETS_LAST - SONNETS_FIRST) * fallen


def _learn(model: Any, batch: tuple[Any, Any], optimizers: list[Any], step: int) -> float:
    torch.manual_seed(SEED + step)
    tokens, targets = batch
    model.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(tokens)
    loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


@torch.no_grad()
def _loss(model: Any, examples: Examples, texts: list[tuple[str, str]]) -> float:
    """Return the nats for each character below the headings."""
    model.eval()
    nats = 0.0
    for start in range(0, len(texts), BATCH):
        tokens, targets = examples.padded(texts[start : start + BATCH])
        logits = model(tokens).flatten(0, 1)
        nats += functional.cross_entropy(logits, targets.flatten(), reduction="sum").item()
    # The mark that ends a text is a character too.
    return nats / sum(len(text) + 1 for _, text in texts)


def _ngram_losses(corpus: Corpus, held: dict[str, Any]) -> dict[str, float]:
    read = [corpus.plays[at : at + 14] for at in range(0, len(corpus.plays), 14)] + corpus.sonnets
    ngram = Ngram(heading + text + MARK for heading, text in map(document, read))
    return {
        kind: sum(ngram.loss(heading + text + MARK, len(heading)) for heading, text in texts)
        / sum(len(text) + 1 for _, text in texts)
        for kind, texts in held.items()
    }


def _pieces(corpus: Corpus, path: Path) -> list[str]:
    if not path.exists():
        lines = [*corpus.plays, *(line for sonnet in corpus.sonnets for line in sonnet)]
        path.write_text(json.dumps(learn_pieces(lines, PIECES)), "utf-8")
    return json.loads(path.read_text("utf-8"))


def _save(path: Path, model: Any, optimizers: list[Any], step: int, best: float) -> None:
    states = [optimizer.state_dict() for optimizer in optimizers]
    saved = {"model": model.state_dict(), "optimizers": states, "step": step, "best": best}
    torch.save(saved, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _export(model: Any, examples: Examples, work: Path, losses: dict[str, float]) -> None:
    """Write the model as `hive_inference` reads it, in half precision."""
    folder = work / "model"
    folder.mkdir(exist_ok=True)
    tensors = {
        exported_name(name): stored(name, p.detach()).to(torch.float16)
        for name, p in model.named_parameters()
    }
    save_file(tensors, folder / "model.safetensors")
    pieces = json.loads((work / "pieces.json").read_text("utf-8"))
    described = {
        "model_type": "hive-decoder",
        "vocabulary": PIECES, "width": WIDTH, "layers": LAYERS, "heads": HEADS, "context": CONTEXT,
        "positions": "rotary", "rotary_base": ROTARY_BASE, "activation": "gelu_tanh",
        "pieces": pieces,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(described, indent=1) + "\n", "utf-8")
    (work / "losses.json").write_text(json.dumps(losses) + "\n", "utf-8")


def exported_name(name: str) -> str:
    """Return what `hive_inference` calls a parameter."""
    is_norm = "norm" in name or name.startswith("final")
    if is_norm:
        return name.replace(".weight", ".gamma").replace(".bias", ".beta")
    return "embedding" if name == "embedding.weight" else name


def stored(name: str, tensor: Any) -> Any:
    """Return a parameter as it is stored, or back: a layer's as (inputs, outputs)."""
    is_matrix = tensor.ndim > 1 and not name.startswith("embedding")
    return (tensor.T if is_matrix else tensor).contiguous()


if __name__ == "__main__":
    sys.exit(main())

"""What the rows share: how large everything is, the models, and turns of those that compete."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hive_bench.environments import Environments
from inference_bench.processes import Process, numpy_process
from inference_bench.shapes import ALPHABET, Shape

__all__ = ["FULL", "SMOKE", "Scale", "Workbench", "asked"]

SMALLER: Final = 4
"""How many times as wide a model is that something can be learnt from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done for a figure."""

    rounds: int
    tokens: int
    """Of a text."""

    few_tokens: int
    """Of a text of a large model, or of one of very many."""

    generations: int
    """After which memory is read again."""

    first_tokens: int
    """New requests whose first token is waited for in a round."""

    sgemm: int
    """Rows and columns of the matrices that tell the roofline."""

    is_small: bool
    """Whether models are as small as can be: nothing can be learnt from them."""


FULL: Final = Scale(
    rounds=5,
    tokens=256,
    few_tokens=32,
    generations=1000,
    first_tokens=40,
    sgemm=4096,
    is_small=False,
)
SMOKE: Final = Scale(
    rounds=1, tokens=4, few_tokens=2, generations=4, first_tokens=2, sgemm=256, is_small=True
)


class Workbench:
    """One run."""

    def __init__(self, folder: Path, environments: Environments, scale: Scale) -> None:
        self.folder = folder
        self.environments = environments
        self.scale = scale

    def sized(self, shape: Shape) -> Shape:
        """Return the sizes of a model in this run."""
        if not self.scale.is_small:
            return shape
        return replace(
            shape,
            layers=1,
            vocabulary=min(shape.vocabulary, len(ALPHABET)),
            width=shape.width // SMALLER,
            feed_forward=shape.feed_forward // SMALLER,
        )

    def model(self, shape: Shape) -> Path:
        """Return the folder of a model, made when it is first asked for."""
        shape, folder = self.sized(shape), self.folder / shape.name
        if not folder.exists():
            with numpy_process() as process:
                process.ask(do="make", **{"with": [shape.as_json(), str(folder)]})
        return folder

    async def turns(
        self, ways: Mapping[str, Callable[[], Awaitable[float]]], *, turns_a_round: int = 1
    ) -> dict[str, list[float]]:
        """Measure each way once to warm up and then in rounds, A B A B, and return its figures.

        Args:
            ways: what is measured, by name.
            turns_a_round: of what is over soon there may be several.
        """
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(turns_a_round * self.scale.rounds + 1):
            for name, measure in ways.items():
                figure = await measure()
                if number:
                    found[name].append(figure)
        for name, figures in found.items():
            self.note(f"{name}: {', '.join(f'{figure:,.3g}' for figure in figures)}")
        return found

    def note(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        print(f"  {text}", file=sys.stderr, flush=True)


def asked(process: Process, do: str, *arguments: Any, **said: Any) -> float:
    """Return the seconds that a process took for something."""
    return float(process.ask(do=do, **{"with": list(arguments)}, **said)["seconds"])

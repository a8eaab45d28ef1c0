"""Write verse on this machine, and print it: on a terminal while it comes."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Literal

from hive.inferring.local_models import open_local_models, told_as_hives
from hive.printing import say, show, show_json, show_table
from hive.settings import Settings
from hive.standard_input import read_standard_input
from hive_verse.agents import Agents, open_agents
from hive_verse.cascade import Cascade
from hive_verse.formatting import Listener
from hive_verse.harmonix import Kept, Stats
from hive_verse.results import result_of, result_of_cascade
from hive_verse.shipped import MODEL

__all__ = ["Wanted", "tell", "tell_cascade", "tell_stats"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for at the command line."""

    kind: Literal["sonnet", "haiku", "prose"]
    prompt: str
    temperature: float | None
    seed: int | None
    as_json: bool = False


async def tell(settings: Settings, wanted: Wanted) -> None:
    """Print a text, or what a task would have as its result.

    Raises:
        ConfigurationError: the temperature or the seed is out of its range.
        ServiceUnavailableError: the model's process died.
        UnfinishedVerseError: the model did not come to an end.
    """
    is_live = not wanted.as_json and sys.stdout.isatty()
    async with _open(settings) as agents:
        speaker = {"sonnet": agents.sonnet, "haiku": agents.haiku, "prose": agents.prose}[
            wanted.kind
        ]
        listener = _Aloud() if is_live else None
        with told_as_hives():
            kept = await speaker.generate(
                _heard(wanted.prompt), wanted.temperature, seed=wanted.seed, listener=listener
            )
    if wanted.as_json:
        show_json(result_of(kept))
        return
    if listener is None:
        show(kept.text)
    if is_live:
        _tell_of(kept)


async def tell_cascade(settings: Settings, prompt: str, *, seed: int | None, as_json: bool) -> None:
    """Print what all three say, and the sentence drawn from it. Raises as `tell` does."""
    async with _open(settings) as agents:
        with told_as_hives():
            cascade = await agents.observer.cascade(_heard(prompt), seed=seed)
    if as_json:
        show_json(result_of_cascade(cascade))
    else:
        _show_cascade(cascade)


async def tell_stats(settings: Settings, *, as_json: bool) -> None:
    """Print what the clouds hold."""
    async with _open(settings) as agents:
        stats = await agents.stats()
    if as_json:
        show_json(asdict(stats))
        return
    heads = ["", "texts", "lines", "words", "phrases", "quality", "dissonance"]
    found = {"haiku": stats.haiku, "sonnet": stats.sonnet, "prose": stats.prose}
    show_table(heads, [_row(name, one) for name, one in found.items()])
    show(
        f"\n{stats.cascade.count:,} cascades, resonance {stats.cascade.average_resonance:.2f},"
        f" entropy {stats.cascade.average_entropy:.2f}"
    )


class _Aloud(Listener):
    """Prints lines while they come."""

    def hear(self, text: str) -> None:
        """Print more of a line."""
        print(text, end="", flush=True)

    def strike(self, line: str) -> None:
        """Say that the line before does not count."""
        del line
        show("(the line above is struck)")


@asynccontextmanager
async def _open(settings: Settings) -> AsyncGenerator[Agents]:
    # One person waits for one text, which occupies one process.
    alone = replace(settings.inference, processes=min(settings.inference.children, 1))
    async with (
        open_local_models(alone, MODEL) as models,
        open_agents(settings.verse.folder, models) as agents,
    ):
        yield agents


def _heard(prompt: str) -> str:
    return read_standard_input().decode("utf-8", "replace") if prompt == "-" else prompt


def _row(name: str, stats: Stats) -> list[str]:
    counts = (stats.count, stats.lines, stats.vocabulary, stats.trigrams)
    averages = (stats.average_quality, stats.average_dissonance)
    return [name, *(f"{count:,}" for count in counts), *(f"{mean:.2f}" for mean in averages)]


def _tell_of(kept: Kept) -> None:
    say(
        f"hive: dissonance {kept.dissonance.value:.2f}, at temperature {kept.temperature:.2f}"
        f" with seed {kept.seed}"
    )


def _show_cascade(cascade: Cascade) -> None:
    for kept in (cascade.haiku, cascade.sonnet, cascade.prose):
        show(f"{kept.text}\n")
    show(cascade.sentence)
    if sys.stdout.isatty():
        say(
            f"hive: resonance {cascade.resonance:.2f}, entropy {cascade.entropy:.2f},"
            f" {cascade.field_words} words, with seed {cascade.seed}"
        )

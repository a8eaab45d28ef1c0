"""All models that one process serves: each takes a step in turn, for as long as any has work.

Knows nothing of processes, threads and sockets: `submit` and `cancel` come between steps, and what
a step returns is handed on by whoever runs the engine.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hive_inference.embedder import Embedder
from hive_inference.errors import WeightsError
from hive_inference.messages import Ask, Embed, Generate, News, Refused
from hive_inference.models.loading import DecoderModel, load_model
from hive_inference.scheduler import Scheduler
from hive_inference.settings import EngineSettings

__all__ = ["Engine", "load_engine"]


@dataclass(frozen=True, slots=True)
class _Served:
    models: Mapping[str, Scheduler | Embedder]

    def decoder(self, name: str) -> Scheduler | None:
        found = self.models.get(name)
        return found if isinstance(found, Scheduler) else None

    def encoder(self, name: str) -> Embedder | None:
        found = self.models.get(name)
        return found if isinstance(found, Embedder) else None


class Engine:
    """Some models and their requests. Not for several threads at once."""

    def __init__(self, models: Mapping[str, Scheduler | Embedder]) -> None:
        """Serve `models`, by their names."""
        self._served = _Served(models)
        self._refused: list[News] = []

    @property
    def is_idle(self) -> bool:
        """Return whether a step would find nothing to do."""
        return not self._refused and all(m.is_idle for m in self._served.models.values())

    def submit(self, number: int, ask: Ask) -> None:
        """Take a request; one that no model here can serve is refused by the next step's news.

        Raises:
            FullError: too many wait for its model already.
        """
        if isinstance(ask, Generate) and (decoder := self._served.decoder(ask.model)):
            decoder.submit(number, ask)
        elif isinstance(ask, Embed) and (encoder := self._served.encoder(ask.model)):
            encoder.submit(number, ask)
        else:
            work = "generate text" if isinstance(ask, Generate) else "embed texts"
            self._refused.append(
                Refused(number=number, error=f"no model {ask.model!r} is here that can {work}")
            )

    def cancel(self, number: int) -> None:
        """End a request at its model's next step."""
        for model in self._served.models.values():
            if not model.is_idle:
                model.cancel(number)

    def step(self) -> list[News]:
        """Have every model that has work take a step; return what came of it, in order."""
        news, self._refused = self._refused, []
        for model in self._served.models.values():
            if not model.is_idle:
                news += model.step()
        return news


def load_engine(
    folders: Mapping[str, Path],
    settings: EngineSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Engine:
    """Return an engine that serves the models in `folders`, by their names.

    Raises:
        WeightsError: one of them cannot be loaded; the message names what is wrong.
    """
    models: dict[str, Scheduler | Embedder] = {}
    for name, folder in folders.items():
        try:
            model = load_model(
                folder,
                cache=settings.cache,
                slots=settings.slots,
                max_context=settings.max_context,
            )
        except WeightsError as error:
            raise WeightsError(f"model {name!r}: {error}") from error
        models[name] = (
            Scheduler(
                model.decoder,
                model.tokenizer,
                queue_capacity=settings.queue_capacity,
                clock=clock,
                end_tokens=model.end_tokens,
            )
            if isinstance(model, DecoderModel)
            else Embedder(
                model.encoder,
                model.tokenizer,
                queue_capacity=settings.queue_capacity,
                clock=clock,
            )
        )
    return Engine(models)

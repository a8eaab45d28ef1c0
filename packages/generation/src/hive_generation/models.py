"""The models of one worker: each is loaded when it is first asked for, and shared by all who ask.

    generate ─┐                      ┌─▶ a model's host ──▶ its child processes
    embed    ─┼─▶ Models (by name) ──┤
    others   ─┘                      └─▶ another's

Requests of all tasks meet in the model's host, and are served together there. A model that nobody
has asked for in a while is let go, with its processes.

Of tasks it knows only under which of them a process has died. Until a model is asked for, nothing
of the engine is imported, and numpy by the child processes alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hive_contracts.errors import ServiceUnavailableError
from hive_generation.losses import Losses
from hive_generation.settings import InferenceSettings

if TYPE_CHECKING:
    from hive_inference.host.host import Host
    from hive_inference.messages import Embed, Ended, Generate, Piece
    from hive_inference.settings import HostSettings
    from hive_telemetry.metrics import Metrics

__all__ = ["ModelState", "Models"]

_MOST_WAITING: Final = 10_000
"""Of one model. A worker's slots bound what is asked for; this bounds mistakes."""


class ModelState(NamedTuple):
    """How a model that is loaded does at a moment."""

    waiting: int
    running: int
    room: int
    """How many could run at once, in the processes that are ready."""

    load_seconds: float
    """How long the process that was ready last took to load it."""


@dataclass(slots=True, eq=False)
class _Kept:
    """A model that is loaded, or is being loaded."""

    used_at: float
    host: "asyncio.Future[Host]" = field(default_factory=asyncio.Future["Host"])
    users: int = 0


class Models:
    """Models by their names, asked as a host is asked. Get one from `open`."""

    def __init__(
        self,
        settings: InferenceSettings,
        metrics: "Metrics",
        group: asyncio.TaskGroup,
        named: Mapping[str, Path],
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._group = group
        self._named = named
        self._kept: dict[str, _Kept] = {}
        self._keepers: set[asyncio.Task[None]] = set()
        self.losses = Losses()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: InferenceSettings,
        metrics: "Metrics",
        *,
        named: Mapping[str, Path] | None = None,
    ) -> "AsyncGenerator[Models]":
        """Give models, none of them loaded; let go of all of them when the context closes.

        Args:
            settings: where models are, and how they are served.
            metrics: where it is counted what they do.
            named: folders of further models, by the names that they are asked for with.
        """
        failure: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            models = cls(settings, metrics, group, named or {})
            metrics.read_models(models.states)
            try:
                yield models
            except BaseException as error:  # noqa: BLE001 - raised below, once they are let go
                # Left to the group, it would come out wrapped in an `ExceptionGroup`.
                failure = error
            for keeper in models._keepers:
                keeper.cancel()
        if failure is not None:
            raise failure

    def states(self) -> dict[str, ModelState]:
        """Return how each model does that is loaded. Any thread may ask."""
        return {
            name: _state_of(kept.host.result(), self._settings.batch)
            for name, kept in self._kept.copy().items()
            if kept.host.done() and kept.host.exception() is None
        }

    async def generate(self, ask: "Generate") -> "AsyncGenerator[Piece | Ended]":
        """Yield a text piece by piece, and how it ended; closing the generator calls it off.

        Raises:
            InferenceError: as `hive_inference.errors` tells them apart; LostError if its process
                has died, UnknownModelError if there is no such model here.
            ServiceUnavailableError: this machine cannot start a process now.
        """
        from hive_inference.messages import Piece  # noqa: PLC0415 - with the first request

        said = 0
        async with self._use(ask.model) as host, aclosing(host.generate(ask)) as news:
            try:
                async for item in news:
                    if isinstance(item, Piece):
                        said = item.tokens
                    else:
                        said = item.tokens_out
                        self._count(ask.model, item)
                    yield item
            finally:
                # Also of a text that was called off.
                self._metrics.model_tokens(ask.model, made=said)

    async def embed(
        self, ask: "Embed", *, heard: Callable[[], None] | None = None
    ) -> "tuple[Sequence[bytes], Ended]":
        """Return a vector for each text, float32, and how it ended. Raises as `generate` does.

        `heard` is called with each vector that comes.
        """
        async with self._use(ask.model) as host:
            vectors, ended = await host.embed(ask, heard=heard)
        self._count(ask.model, ended)
        return vectors, ended

    def _count(self, model: str, ended: "Ended") -> None:
        self._metrics.model_tokens(model, read=ended.tokens_in)
        self._metrics.model_waited(model, [ended.waited_seconds])

    @asynccontextmanager
    async def _use(self, model: str) -> "AsyncGenerator[Host]":
        from hive_inference.errors import LostError  # noqa: PLC0415 - with the first request

        kept = self._kept.get(model) or self._load(model)
        kept.users += 1
        try:
            # Whoever gives up waiting for it does not take it from the others.
            yield await asyncio.shield(kept.host)
        except LostError:
            self._metrics.model_lost(model)
            raise
        finally:
            kept.users -= 1
            kept.used_at = asyncio.get_running_loop().time()

    def _load(self, model: str) -> _Kept:
        from hive_inference.models.registry import Registry  # noqa: PLC0415 - with the first use

        folder = Registry(self._named, self._settings.path).find(model)
        kept = self._kept[model] = _Kept(asyncio.get_running_loop().time())
        keeper = self._group.create_task(self._keep(model, folder, kept), name=f"model.{model}")
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        return kept

    async def _keep(self, model: str, folder: Path, kept: _Kept) -> None:
        """Have a model loaded for as long as it is used."""
        from hive_inference.errors import InferenceError  # noqa: PLC0415
        from hive_inference.host.host import Host  # noqa: PLC0415

        try:
            async with Host.open({model: folder}, _host_settings(self._settings)) as host:
                kept.host.set_result(host)
                try:
                    await self._until_unused(kept)
                finally:
                    del self._kept[model]
        except (InferenceError, OSError) as error:
            if kept.host.done():
                raise
            del self._kept[model]
            kept.host.set_exception(
                error
                if isinstance(error, InferenceError)
                else ServiceUnavailableError(f"no process could be started for a model: {error}")
            )
            # Nobody may be left to hear of it.
            kept.host.exception()

    async def _until_unused(self, kept: _Kept) -> None:
        limit = self._settings.idle_seconds
        loop = asyncio.get_running_loop()
        while True:
            left = limit if kept.users else kept.used_at + limit - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(left)


def _state_of(host: "Host", batch: int) -> ModelState:
    state = host.state
    return ModelState(state.waiting, state.running, state.seats * batch, state.load_seconds)


def _host_settings(settings: InferenceSettings) -> "HostSettings":
    from hive_inference.settings import EngineSettings, HostSettings  # noqa: PLC0415

    engine = EngineSettings(
        cache=settings.cache_dir,
        slots=settings.batch,
        queue_capacity=_MOST_WAITING,
        max_context=settings.max_context,
    )
    return HostSettings(engine=engine, children=settings.children, nice=settings.nice)

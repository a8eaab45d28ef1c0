"""The kinds `sonnet`, `haiku`, `prose` and `cascade`: verse as tasks.

    payload    {"prompt": "...", "temperature": 0.8, "seed": 7}; a cascade has no temperature
    output     the lines; a sonnet's as they come, and one that is dropped is said to be
    result     {"text", "dissonance", "pulse", "temperature", "seed", "id"}

A task that says no seed has its own id as one, so that another attempt of a sonnet says the same.
Nothing of the clouds is imported or opened before the first task.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from hive_contracts.execution import Attempt, Executor, Stream, Tools
from hive_contracts.outcomes import Failed, Outcome
from hive_generation.executor import ModelExecutor
from hive_generation.models import Models
from hive_inference.errors import RequestError
from hive_inference.messages import Sampling
from hive_verse.clouds import Clouds
from hive_verse.errors import UnfinishedVerseError

if TYPE_CHECKING:
    from hive_verse.agents import Agents
    from hive_verse.haiku import HaikuGenerator
    from hive_verse.prose import ProseGenerator
    from hive_verse.sonnet import AsyncSonnetGenerator

__all__ = [
    "CascadeExecutor",
    "CascadePayload",
    "HaikuExecutor",
    "ProseExecutor",
    "SonnetExecutor",
    "VersePayload",
]

PayloadT = TypeVar("PayloadT")

_STRUCK: Final = "(the line above is struck)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersePayload:
    """One text."""

    prompt: str
    temperature: float | None = None
    """None for 0.8 of a sonnet, and of others for what the latest exchange suggests."""

    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, before it is queued.

        Raises:
            ValueError: a value is out of its range; the message names it.
        """
        _check(self.temperature, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePayload:
    """One of each."""

    prompt: str
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, before it is queued.

        Raises:
            ValueError: a value is out of its range; the message names it.
        """
        _check(None, self.seed)


class _VerseExecutor(ModelExecutor[PayloadT]):
    """Has the worker's models, and its clouds."""

    ends_alike: ClassVar[bool] = False
    """Whether the same seed comes to the same end, whatever the clouds hold."""

    def __init__(self, models: Models, clouds: Clouds) -> None:
        super().__init__(models)
        self._clouds = clouds

    @classmethod
    @asynccontextmanager
    async def _open(cls, tools: Tools) -> AsyncGenerator[Executor]:
        yield cls(tools.shared_of(Models), tools.shared_of(Clouds))

    async def agents(self) -> "Agents":
        """Return everybody who speaks."""
        return await self._clouds.agents()

    async def run(self, attempt: Attempt) -> Outcome:
        """Do the work and return what came of it."""
        try:
            return await super().run(attempt)
        except UnfinishedVerseError as error:
            return Failed(str(error), is_retryable=not self.ends_alike)


class _TextExecutor(_VerseExecutor[VersePayload]):
    """Makes one text."""

    payload_type: ClassVar[type[Any]] = VersePayload

    @abstractmethod
    def speaker(self, agents: "Agents") -> "AsyncSonnetGenerator | HaikuGenerator | ProseGenerator":
        """Return who speaks."""

    async def work(self, payload: VersePayload, attempt: Attempt) -> object:
        """Return a text."""
        from hive_verse.results import result_of  # noqa: PLC0415 - with the first task

        speaker = self.speaker(await self.agents())
        kept = await speaker.generate(
            payload.prompt,
            payload.temperature,
            seed=_seed(payload.seed, attempt),
            listener=_Output(attempt),
            added_by=_name(attempt),
        )
        return result_of(kept)


class SonnetExecutor(_TextExecutor):
    """Writes sonnets."""

    kind: ClassVar[str] = "sonnet"
    ends_alike: ClassVar[bool] = True

    def speaker(self, agents: "Agents") -> "AsyncSonnetGenerator":
        """Return who writes them."""
        return agents.sonnet


class HaikuExecutor(_TextExecutor):
    """Says haiku."""

    kind: ClassVar[str] = "haiku"

    def speaker(self, agents: "Agents") -> "HaikuGenerator":
        """Return who says them."""
        return agents.haiku


class ProseExecutor(_TextExecutor):
    """Writes prose."""

    kind: ClassVar[str] = "prose"

    def speaker(self, agents: "Agents") -> "ProseGenerator":
        """Return who writes it."""
        return agents.prose


class CascadeExecutor(_VerseExecutor[CascadePayload]):
    """Has all speak at once."""

    kind: ClassVar[str] = "cascade"
    payload_type: ClassVar[type[Any]] = CascadePayload

    async def work(self, payload: CascadePayload, attempt: Attempt) -> object:
        """Return a cascade."""
        from hive_verse.results import result_of_cascade  # noqa: PLC0415 - with the first task

        agents = await self.agents()
        seed = _seed(payload.seed, attempt)
        cascade = await agents.observer.cascade(payload.prompt, seed=seed, added_by=_name(attempt))
        attempt.write_output(Stream.STDOUT, f"{cascade.sentence}\n".encode())
        return result_of_cascade(cascade)


class _Output:
    """Shows lines as the task's output, as they come."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def hear(self, text: str) -> None:
        """Show more of a line."""
        self._attempt.write_output(Stream.STDOUT, text.encode())

    def strike(self, line: str) -> None:
        """Say that the line before does not count."""
        del line
        self._attempt.write_output(Stream.STDOUT, _STRUCK.encode())


def _seed(said: int | None, attempt: Attempt) -> int:
    return attempt.task.id if said is None else said


def _name(attempt: Attempt) -> str:
    return f"task {attempt.task.id}"


def _check(temperature: float | None, seed: int | None) -> None:
    try:
        Sampling(temperature=1.0 if temperature is None else temperature, seed=seed or 0)
    except RequestError as error:
        raise ValueError(str(error)) from error

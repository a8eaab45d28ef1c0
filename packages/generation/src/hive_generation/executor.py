"""What executors of models have in common: the worker's models, and what their errors mean.

A package adds a kind of its own with a subclass, and an entry point that names it:

    class SonnetExecutor(ModelExecutor[SonnetPayload]):
        kind = "sonnet"
        payload_type = SonnetPayload

        async def work(self, payload: SonnetPayload, attempt: Attempt) -> object:
            request = Generate(model="verse", prompt=payload.prompt)
            text, _ = await self.tell(request, attempt)
            return {"sonnet": text}
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar, Final, Generic, TypeVar

from hive_contracts.errors import MalformedPayloadError
from hive_contracts.execution import Attempt, Executor, Stream, Tools
from hive_contracts.outcomes import Failed, Outcome, Released, Succeeded
from hive_contracts.wire import decode_payload
from hive_generation.models import Models
from hive_inference.errors import FullError, InferenceError, LostError
from hive_inference.messages import Ended, Generate, Piece

__all__ = ["ModelExecutor"]

PayloadT = TypeVar("PayloadT")

_MOST_LOSSES: Final = 5
"""So often a task is given back because a process died under it."""

_PAUSE: Final = timedelta(seconds=1)


class ModelExecutor(ABC, Generic[PayloadT]):
    """Runs attempts of one kind with the worker's models."""

    kind: ClassVar[str]
    payload_type: ClassVar[type[Any]]

    def __init__(self, models: Models) -> None:
        self.models = models

    @classmethod
    def open(cls, tools: Tools) -> AbstractAsyncContextManager[Executor]:
        """Make an executor; nothing is loaded before a task needs it."""
        return cls._open(tools)

    @classmethod
    @asynccontextmanager
    async def _open(cls, tools: Tools) -> AsyncGenerator[Executor]:
        yield cls(tools.shared_of(Models))

    @abstractmethod
    async def work(self, payload: PayloadT, attempt: Attempt) -> object:
        """Return the attempt's result, which JSON can hold. May raise what the models raise."""

    async def run(self, attempt: Attempt) -> Outcome:
        """Do the work and return what came of it."""
        try:
            payload = decode_payload(self.kind, attempt.task.payload, self.payload_type)
            result = await self.work(payload, attempt)
        except MalformedPayloadError as error:
            return Failed(str(error), is_retryable=False)
        except LostError as error:
            if self.models.losses.add(attempt.task.id) <= _MOST_LOSSES:
                return Released(str(error))
            # It may be this very task that ends them.
            return Failed(f"{error}, as were those of attempts before")
        except FullError as error:
            return Released(str(error), again_after=_PAUSE)
        except InferenceError as error:
            return Failed(str(error), is_retryable=False)
        self.models.losses.forget(attempt.task.id)
        return Succeeded(result)

    async def tell(self, ask: Generate, attempt: Attempt) -> tuple[str, Ended]:
        """Have a text generated, shown as output while it comes; return it, and how it ended."""
        pieces: list[str] = []
        async with aclosing(self.models.generate(ask)) as news:
            async for item in news:
                if isinstance(item, Ended):
                    return "".join(pieces), item
                pieces.append(_shown(item, attempt))
        raise AssertionError("a text has an end")


def _shown(piece: Piece, attempt: Attempt) -> str:
    # Postgres stores no NUL; a model may know it as one of its bytes.
    text = piece.text.replace("\0", "\ufffd")
    attempt.write_output(Stream.STDOUT, text.encode())
    attempt.keep_usage({"tokens_out": piece.tokens})
    return text

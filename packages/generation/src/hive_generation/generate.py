"""The executor `generate`: a text, from any decoder that is installed.

    payload    {"model": "NAME", "prompt": "...", "max_tokens": 200, "temperature": 0.8, "seed": 7}
    output     the text, as it comes
    result     {"text", "end", "tokens_in", "tokens_out", "seed"}

The same model, prompt, sampling and seed give the same text, whatever else runs beside it. A task
that says no seed has its own id as one, so that another attempt of it says the same.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from hive_contracts.execution import Attempt
from hive_generation.executor import ModelExecutor
from hive_inference.errors import RequestError
from hive_inference.messages import Ended, Generate, Sampling

__all__ = ["KIND", "GenerateExecutor", "GeneratePayload", "result_of"]

KIND: Final = "generate"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratePayload:
    """One text."""

    model: str
    prompt: str
    """What the text goes on from."""

    max_tokens: int = 200
    temperature: float = 1.0
    """0 takes the likeliest token always."""

    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop: list[str] = field(default_factory=list[str])
    """The text ends before the first of these."""

    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, before it is queued.

        Raises:
            ValueError: a value is out of its range; the message names it.
        """
        try:
            self.request(seed=0)
        except RequestError as error:
            raise ValueError(str(error)) from error

    def request(self, *, seed: int) -> Generate:
        """Return what to ask of a model; `seed` stands in for one that is not said."""
        sampling = Sampling(
            repetition_penalty=self.repetition_penalty,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seed=seed if self.seed is None else self.seed,
        )
        return Generate(
            model=self.model,
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            sampling=sampling,
            stop=tuple(self.stop),
        )


class GenerateExecutor(ModelExecutor[GeneratePayload]):
    """Generates texts."""

    kind: ClassVar[str] = KIND
    payload_type: ClassVar[type] = GeneratePayload

    async def work(self, payload: GeneratePayload, attempt: Attempt) -> object:
        """Return a text, and what it took."""
        request = payload.request(seed=attempt.task.id)
        text, ended = await self.tell(request, attempt)
        return result_of(request, text, ended)


def result_of(request: Generate, text: str, ended: Ended) -> dict[str, Any]:
    """Return what is kept of a text."""
    return {
        "text": text,
        "end": ended.end,
        "tokens_in": ended.tokens_in,
        "tokens_out": ended.tokens_out,
        "seed": request.sampling.seed,
    }

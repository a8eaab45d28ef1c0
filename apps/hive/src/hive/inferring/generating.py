"""Generate a text on this machine, and print it while it comes."""

import secrets
import sys
from contextlib import aclosing
from dataclasses import replace

from hive.inferring.local_models import open_local_models, told_as_hives
from hive.printing import say, show_json
from hive_generation.generate import GeneratePayload, result_of
from hive_generation.settings import InferenceSettings
from hive_inference.messages import Ended, Generate

__all__ = ["generate_here"]


async def generate_here(
    settings: InferenceSettings, payload: GeneratePayload, *, as_json: bool
) -> None:
    """Print a text, or what a task of kind `generate` would have as its result.

    Raises:
        ConfigurationError: no such model is here, or it cannot do this.
        ServiceUnavailableError: its process died.
    """
    request = payload.request(seed=secrets.randbelow(2**32))
    # One text occupies one process.
    alone = replace(settings, processes=min(settings.children, 1))
    pieces: list[str] = []
    async with open_local_models(alone, request.model) as models:
        with told_as_hives():
            async with aclosing(models.generate(request)) as news:
                async for item in news:
                    if isinstance(item, Ended):
                        _tell_end(request, "".join(pieces), item, as_json=as_json)
                        return
                    pieces.append(item.text)
                    if not as_json:
                        print(item.text, end="", flush=True)


def _tell_end(request: Generate, text: str, ended: Ended, *, as_json: bool) -> None:
    if as_json:
        show_json(result_of(request, text, ended))
        return
    if not text.endswith("\n"):
        print()
    if sys.stderr.isatty():
        say(f"hive: {ended.tokens_out:,} tokens, with seed {request.sampling.seed}")

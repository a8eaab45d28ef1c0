"""Measures in a process of its own: Hive's decoder, the plain ports, the limits of the machine.

    python -m inference_bench.probe

Takes a line of JSON from its input, writes a line of JSON, and so on. BLAS has as many threads as
the environment says.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hive_inference.decoder.decoder import Decoder
from hive_inference.messages import Sampling
from hive_inference.models.loading import DecoderModel, load_model
from hive_inference.safetensors import TensorFile
from hive_inference.sampling import Sampler, choose
from inference_bench.making import make_folder
from inference_bench.plain_port import PlainPort
from inference_bench.shapes import READ_BYTES, Shape


class Probe:
    """What can be asked for; each answers with the seconds that it took."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[str, int, int], Decoder] = {}
        self._memory = np.ones(0, np.float32)

    def make(self, shape: dict[str, Any], folder: str) -> float:
        """Write a model."""
        return _timed(lambda: make_folder(Shape(**shape), Path(folder)))

    def decode(self, folder: str, batch: int, tokens: int) -> float:
        """Make `tokens` tokens of `batch` sequences, each drawn by its probability."""
        decoder = self._decoder(folder, batch)
        return _timed(lambda: _generate(decoder, batch, tokens))

    def threads(self, folder: str, concurrent: int, tokens: int) -> float:
        """Do the same in as many threads as sequences, an engine of Hive's for each."""
        engines = [self._decoder(folder, 1, number) for number in range(concurrent)]
        return _in_threads([lambda e=engine: _generate(e, 1, tokens) for engine in engines])

    def ports(self, shape: dict[str, Any], folder: str, concurrent: int, tokens: int) -> float:
        """Do the same in as many threads as sequences, a plain port with a cache for each."""
        ports = [_port(shape, folder) for _ in range(concurrent)]
        return _in_threads([lambda p=port: p.generate(tokens) for port in ports])

    def whole(self, shape: dict[str, Any], folder: str, context: int) -> float:
        """Make a token after `context` others as the plain port does without a cache."""
        port = _port(shape, folder)
        port.logits([1] * 8)
        port.forget()
        return _timed(lambda: port.logits([1] * context))

    def sgemm(self, size: int) -> float:
        """Multiply two square matrices."""
        if self._memory.size < 3 * size * size:
            self._memory = np.ones(3 * size * size, np.float32)
        left, right, out = self._memory[: 3 * size * size].reshape(3, size, size)
        np.matmul(left[:256], right, out=out[:256])
        return _timed(lambda: np.matmul(left, right, out=out))

    def read(self) -> float:
        """Read `READ_BYTES` bytes once, by the quickest of numpy's ways."""
        count = READ_BYTES // 4
        if self._memory.size < count:
            self._memory = np.ones(count, np.float32)
        memory = self._memory[:count].reshape(-1, 8192)
        ones, out = np.ones(8192, np.float32), np.empty(len(memory), np.float32)
        ways = (memory.max, lambda: np.matmul(memory, ones, out=out))
        return min(map(_timed, ways))

    def _decoder(self, folder: str, slots: int, number: int = 0) -> Decoder:
        key = (folder, slots, number)
        if key not in self._decoders:
            cache = Path(folder).parent / "cache"
            model = load_model(Path(folder), cache=cache, slots=slots, max_context=1024)
            if not isinstance(model, DecoderModel):
                raise TypeError(f"{folder} has no decoder")
            self._decoders[key] = model.decoder
            _generate(model.decoder, slots, 2)
        return self._decoders[key]


def _port(shape: dict[str, Any], folder: str) -> PlainPort:
    file = TensorFile(Path(folder) / "model.safetensors")
    return PlainPort({name: file.read(name) for name in file.names}, Shape(**shape))


def _in_threads(works: Sequence[Callable[[], object]]) -> float:
    """Do each in a thread of its own, waited for by an event loop."""

    async def wait(pool: ThreadPoolExecutor, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(pool, work)

    async def run() -> None:
        with ThreadPoolExecutor(len(works)) as pool:
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(wait(pool, work))

    return _timed(lambda: asyncio.run(run()))


def _generate(decoder: Decoder, batch: int, tokens: int) -> None:
    samplers = [
        Sampler(Sampling(seed=seed), vocabulary=decoder.shape.vocabulary, prompt=())
        for seed in range(batch)
    ]
    for slot in range(batch):
        decoder.cache.clear(slot)
    new = np.zeros(batch, np.int64)
    for _ in range(tokens):
        new[:] = choose(samplers, decoder.decode(new))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Do what each line says."""
    probe = Probe()
    for line in sys.stdin:
        asked = json.loads(line)
        seconds = getattr(probe, asked["do"])(*asked["with"])
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()

"""Decoders: beside a thread for each request, beside torch, beside the memory's bandwidth."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from inference_bench.processes import numpy_process, torch_process
from inference_bench.rows.row import Measured
from inference_bench.serving import serving
from inference_bench.shapes import D128, D256, GPT2, READ_BYTES, Shape
from inference_bench.workbench import Workbench, asked

__all__ = ["measure_bandwidth", "measure_concurrency", "measure_torch_decode"]

CHILDREN: Final = 2
MOST: Final = 32
THREADS: Final = 8
LONG_CONTEXT: Final = 300
TURNS_A_ROUND: Final = 8
"""In so many turns a round's tokens are made where memory is the limit."""
FLOAT_BYTES: Final = 4


async def measure_concurrency(bench: Workbench) -> Measured:
    """32 texts at once on two children, over 8 plain ports at once in a thread each."""
    folder, tokens = bench.model(D128), bench.scale.tokens
    path, said = str(folder), bench.sized(D128).as_json()
    with numpy_process() as process:
        async with serving(folder, children=CHILDREN) as served:

            async def by_ports() -> float:
                return THREADS * tokens / asked(process, "ports", said, path, THREADS, tokens)

            async def in_threads(count: int) -> float:
                return count * tokens / asked(process, "threads", path, count, tokens)

            found = await bench.turns(
                {
                    "32 at once on two children": lambda: served.generate(MOST, tokens),
                    "8 plain ports in threads": by_ports,
                    "8 engines in threads": lambda: in_threads(THREADS),
                }
            )
            children = {n: await served.generate(n, tokens) for n in (1, 2, 4, 8, 16, MOST)}
            threads = {n: await in_threads(n) for n in (1, 2, 4, THREADS)}
        whole = asked(process, "whole", said, path, LONG_CONTEXT)
    hive, ports, engines = found.values()
    details = {
        **{f"tokens/s, {name}": rates for name, rates in found.items()},
        "ratio to Hive's own engines in threads": _ratios(hive, engines),
        "tokens/s of the plain port without a cache, at context 300": 1 / whole,
        "over concurrency": {"children": children, "threads": threads},
    }
    return Measured([_ratios(hive, ports)], details)


async def measure_torch_decode(bench: Workbench) -> Measured:
    """The slower of the ratios for one text and for eight, for each size of model."""
    tokens = bench.scale.tokens
    samples: list[list[float]] = []
    details: dict[str, list[float]] = {}
    with numpy_process() as ours, torch_process(bench.environments, 1) as torch:
        for shape in (D128, D256):
            folder = str(bench.model(shape))

            def ways(
                shape: Shape, folder: str, batch: int
            ) -> dict[str, Callable[[], Awaitable[float]]]:
                async def by_hive() -> float:
                    return batch * tokens / asked(ours, "decode", folder, batch, tokens)

                async def by_torch() -> float:
                    said = {"model": bench.sized(shape).as_json()}
                    return batch * tokens / asked(torch, "decode", batch, tokens, **said)

                name = f"{shape.name}, {batch} at once"
                return {f"Hive, {name}": by_hive, f"torch, {name}": by_torch}

            ratios: list[list[float]] = []
            for batch in (1, 8):
                found = await bench.turns(ways(shape, folder, batch))
                hive, other = found.values()
                ratios.append(_ratios(hive, other))
                details |= {f"tokens/s, {name}": rates for name, rates in found.items()}
            samples.append([min(pair) for pair in zip(*ratios, strict=True)])
    return Measured(samples, details)


async def measure_bandwidth(bench: Workbench) -> Measured:
    """The bytes of weights that are read each second, over the bytes that can be read.

    In short turns: where others share the memory, what it gives differs from second to second.
    """
    folder, tokens = str(bench.model(GPT2)), max(1, bench.scale.few_tokens // TURNS_A_ROUND)
    with numpy_process() as process:

        async def by_hive() -> float:
            return tokens / asked(process, "decode", folder, 1, tokens)

        async def by_reading() -> float:
            return READ_BYTES / 1e9 / asked(process, "read")

        found = await bench.turns(
            {"tokens/s": by_hive, "GB/s read": by_reading}, turns_a_round=TURNS_A_ROUND
        )
    gigabytes = bench.sized(GPT2).weights * FLOAT_BYTES / 1e9
    rates = [rate * gigabytes for rate in found["tokens/s"]]
    shares = [rate / limit for rate, limit in zip(rates, found["GB/s read"], strict=True)]
    details = {**found, "GB/s of weights": rates, "GB of weights": gigabytes}
    return Measured([shares], details)


def _ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, others, strict=True)]

"""The encoder, beside torch and beside the largest products that BLAS can do."""

from typing import Final

from inference_bench.processes import numpy_process, torch_process
from inference_bench.rows.row import Measured
from inference_bench.serving import serving
from inference_bench.shapes import MINILM
from inference_bench.workbench import Workbench, asked

__all__ = ["measure_roofline", "measure_torch_encode"]

SHAPES: Final = ((8, 64), (32, 128))
PROCESSORS: Final = 2


async def measure_torch_encode(bench: Workbench) -> Measured:
    """Texts a second of one request on two children, over torch with two threads."""
    samples: list[list[float]] = []
    details: dict[str, list[float]] = {}
    with torch_process(bench.environments, PROCESSORS) as torch:
        async with serving(bench.model(MINILM), children=PROCESSORS) as served:
            for texts, length in SHAPES:

                async def by_torch(texts: int = texts, length: int = length) -> float:
                    said = {"model": bench.sized(MINILM).as_json()}
                    return texts / asked(torch, "encode", texts, length, **said)

                async def by_hive(texts: int = texts, length: int = length) -> float:
                    return await served.embed(texts, length)

                found = await bench.turns({"Hive": by_hive, "torch": by_torch})
                pairs = zip(found["Hive"], found["torch"], strict=True)
                samples.append([a / b for a, b in pairs])
                for name, rates in found.items():
                    details[f"texts/s, {texts} of {length} tokens, {name}"] = rates
    return Measured(samples, details)


async def measure_roofline(bench: Workbench) -> Measured:
    """The operations of a pass each second, over those of a large product, by processors."""
    texts, length = SHAPES[-1]
    operations = bench.sized(MINILM).encoder_operations(texts, length) / texts / 1e9
    size = bench.scale.sgemm
    samples: list[list[float]] = []
    details: dict[str, list[float]] = {}
    for processors in (1, PROCESSORS):
        with numpy_process(processors) as process:
            async with serving(bench.model(MINILM), children=processors) as served:

                async def by_hive() -> float:
                    return operations * await served.embed(texts, length)

                async def by_blas() -> float:
                    return 2 * size**3 / 1e9 / asked(process, "sgemm", size)

                found = await bench.turns({"MiniLM": by_hive, "sgemm": by_blas})
        pairs = zip(found["MiniLM"], found["sgemm"], strict=True)
        samples.append([a / b for a, b in pairs])
        for name, rates in found.items():
            details[f"GFLOP/s, {name}, {processors} processor(s)"] = rates
    return Measured(samples, details)

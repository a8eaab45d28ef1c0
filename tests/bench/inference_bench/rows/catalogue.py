"""Every row, in the order of the page."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from inference_bench.rows.decoding import (
    measure_bandwidth,
    measure_concurrency,
    measure_torch_decode,
)
from inference_bench.rows.encoding import measure_roofline, measure_torch_encode
from inference_bench.rows.hosting import measure_first_token, measure_lag, measure_memory
from inference_bench.rows.row import Row

__all__ = ["ROWS"]

_ROWS: Final = (
    Row(
        name="concurrency",
        says="d128: tokens/s of 32 texts at once, over 8 plain ports at once in a thread each",
        reach=(12.0,),
        measure=measure_concurrency,
    ),
    Row(
        name="torch-decode",
        says="d128 and d256: tokens/s over torch's, one thread each; the worse of 1 and 8 at once",
        reach=(1.5, 1.5),
        measure=measure_torch_decode,
    ),
    Row(
        name="bandwidth",
        says="GPT-2's size, one text, one thread: share of the memory's bandwidth",
        reach=(0.9,),
        measure=measure_bandwidth,
    ),
    Row(
        name="torch-encode",
        says="MiniLM, 8 texts of 64 tokens and 32 of 128: texts/s over torch's, two threads each",
        reach=(0.9, 0.9),
        measure=measure_torch_encode,
    ),
    Row(
        name="roofline",
        says="MiniLM, 32 texts of 128 tokens: share of a large product's GFLOP/s, 1 and 2 threads",
        reach=(0.68, 0.62),
        measure=measure_roofline,
    ),
    Row(
        name="lag",
        says="ms that the event loop's ticks come late while 32 texts are made, p99 and most",
        reach=(2.0, 10.0),
        measure=measure_lag,
        is_less_better=True,
    ),
    Row(
        name="first-token",
        says="ms to the first token of a new text while 31 others are made, p95",
        reach=(50.0,),
        measure=measure_first_token,
        is_less_better=True,
    ),
    Row(
        name="memory",
        says="MiB of parent and two children, a model of the sonnets' size; growth in 1,000 texts",
        reach=(150.0, 0.0),
        measure=measure_memory,
        is_less_better=True,
    ),
)

ROWS: Final[Mapping[str, Row]] = MappingProxyType({row.name: row for row in _ROWS})

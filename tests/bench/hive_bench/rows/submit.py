"""How fast tasks get in: the client's bulk submit, beside a bare COPY into the same table."""

import time
from typing import Final

from hive_bench.bench import Bench
from hive_bench.crew import Crew
from hive_bench.rows.row import Measured, Row
from peers.hive_peer import FUNCTION

__all__ = ["SUBMIT"]

PAYLOAD: Final = f'{{"function": "{FUNCTION}", "kwargs": {{}}}}'
COLUMNS: Final = ("kind", "payload", "queue", "priority", "max_attempts", "max_losses")


async def _submit(bench: Bench) -> Measured:
    count = bench.scale.submitted
    copied: list[float] = []
    submitted: list[float] = []
    for _ in range(bench.scale.rounds):
        async with bench.crew("hive") as crew:
            copied.append(await _copy(crew, count))
        async with bench.crew("hive") as crew:
            submitted.append(await crew.submit(count))
    ratios = [ours / bare for ours, bare in zip(submitted, copied, strict=True)]
    return Measured([ratios], {"submitted a second": submitted, "copied a second": copied})


async def _copy(crew: Crew, count: int) -> float:
    rows = [("call", PAYLOAD, "default", 0, 3, 3)] * count
    async with crew.ground.connected(crew.database) as connection:
        began = time.perf_counter()
        await connection.copy_records_to_table(
            "task", schema_name="hive", records=rows, columns=COLUMNS
        )
        return count / (time.perf_counter() - began)


SUBMIT: Final = (
    Row(
        name="submit",
        says="tasks a second in bulk submits / rows a second of a bare COPY",
        reach=(0.5,),
        measure=_submit,
    ),
)

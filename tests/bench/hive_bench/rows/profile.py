"""Where the time of queen and worker goes at full load: a profile of both, by function."""

import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hive_bench.bench import Bench
from hive_bench.draining import drain
from hive_bench.rows.row import Measured, Row

__all__ = ["PROFILE", "own_time"]

WAITING: Final = ("(selectors.py:", "(concurrent/futures/thread.py:")
RATE: Final = 400
"""Samples a second."""

SECONDS: Final = 3


async def _profile(bench: Bench) -> Measured:
    sampler = Path(bench.environments.python("profile")).with_name("py-spy")
    count = await bench.size("hive")
    folder = bench.ground.folder
    with ExitStack() as stack:

        def record(pids: Mapping[str, list[int]]) -> None:
            for role, (pid, *_) in pids.items():
                options = ["--function", "--rate", str(RATE), "--duration", str(SECONDS)]
                out = ["--format", "raw", "--output", str(folder / f"{role}.raw")]
                argv = [str(sampler), "record", "--pid", str(pid), *options, *out]
                with (folder / f"{role}.sampler.log").open("wb") as log:
                    sampling = subprocess.Popen(argv, stdout=log, stderr=log)
                stack.callback(sampling.wait)

        async with bench.crew("hive") as crew:
            await drain(crew, count, meanwhile=record)
    shares = {
        role: own_time((folder / f"{role}.raw").read_text())
        for role in ("queen", "worker")
        if (folder / f"{role}.raw").exists()
    }
    return Measured([[float(len(shares))]], {"own time": shares})


def own_time(raw: str) -> dict[str, float]:
    """Return by function the share of samples in which it was the one that ran, most first.

    Threads that wait in another way than the sampler knows are left out.
    """
    counts: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        function = stack.rpartition(";")[2]
        if not any(place in function for place in WAITING):
            counts[function] += int(count)
    return {function: count / counts.total() for function, count in counts.most_common()}


PROFILE: Final = (
    Row(
        name="profile",
        says="profiles taken at full load, of queen and worker",
        reach=(None,),
        measure=_profile,
        is_asked_for=True,
    ),
)

"""Plans for linear layers that are made once for a machine, and kept.

Tuning takes seconds for large layers, and two processes that tuned for themselves might choose
different bits. So the first plan that is written is everybody's.
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from hive_inference.kernels.linear import Plan, tune

__all__ = ["find_plans"]

_FORMAT: Final = "4"


def find_plans(
    sizes: Iterable[tuple[int, int]], *, rows: Sequence[int], same_bits: bool, folder: Path
) -> Mapping[tuple[int, int], Plan]:
    """Return a plan for each size of layer, from `folder` if it has been made on this machine.

    Args:
        sizes: (inputs, outputs) of each.
        rows: how many there may be.
        same_bits: whether a row must have the same bits in every company.
        folder: where plans are kept; made if it is not there.
    """
    wanted = sorted(set(sizes))
    path = folder / f"plans-{_digest(wanted, rows, same_bits=same_bits)}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _keep({size: tune(*size, rows, same_bits=same_bits) for size in wanted}, path)
    return _read(path)


def _keep(plans: Mapping[tuple[int, int], Plan], path: Path) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    said = [{"size": size, **asdict(plan)} for size, plan in plans.items()]
    temporary.write_text(json.dumps(said), "utf-8")
    # A link, not a renaming: who comes second must not replace what others have read.
    with suppress(FileExistsError):
        path.hardlink_to(temporary)
    temporary.unlink()


def _read(path: Path) -> Mapping[tuple[int, int], Plan]:
    plans: dict[tuple[int, int], Plan] = {}
    for said in json.loads(path.read_text("utf-8")):
        inputs, outputs = said.pop("size")
        plans[inputs, outputs] = Plan(**said)
    return plans


def _digest(sizes: list[tuple[int, int]], rows: Sequence[int], *, same_bits: bool) -> str:
    machine = [
        np.__version__,
        np.show_config(mode="dicts"),
        platform.machine(),
        _processor(),
        os.environ.get("OPENBLAS_NUM_THREADS"),
        os.environ.get("OPENBLAS_CORETYPE"),
    ]
    return sha256(json.dumps([_FORMAT, sizes, rows, same_bits, machine]).encode()).hexdigest()[:32]


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor()

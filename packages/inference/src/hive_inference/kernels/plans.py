"""Plans for linear layers that are made once for a machine, and kept.

Tuning takes seconds for large layers, and two processes that tuned for themselves might choose
different bits. So the first plan that is written is everybody's.
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from hive_inference.kernels.linear import Plan, Way, row_steps, tune

__all__ = ["find_plans"]

_FORMAT: Final = "1"


def find_plans(
    sizes: Iterable[tuple[int, int]], *, rows: int, folder: Path
) -> Mapping[tuple[int, int], Plan]:
    """Return a plan for each size of layer, from `folder` if it has been made on this machine.

    Args:
        sizes: (inputs, outputs) of each.
        rows: most rows.
        folder: where plans are kept; made if it is not there.
    """
    wanted = sorted(set(sizes))
    steps = row_steps(rows)
    path = folder / f"plans-{_digest(wanted, steps)}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _keep({size: tune(*size, steps) for size in wanted}, path)
    return _read(path)


def _keep(plans: Mapping[tuple[int, int], Plan], path: Path) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps([_described(*plan) for plan in plans.items()]), "utf-8")
    # A link, not a renaming: who comes second must not replace what others have read.
    with suppress(FileExistsError):
        path.hardlink_to(temporary)
    temporary.unlink()


def _described(size: tuple[int, int], plan: Plan) -> dict[str, Any]:
    steps = [[rows, way.tile, way.block] for rows, way in plan.steps]
    return {"size": size, "steps": steps, "is_exact": plan.is_exact}


def _read(path: Path) -> Mapping[tuple[int, int], Plan]:
    plans: dict[tuple[int, int], Plan] = {}
    for said in json.loads(path.read_text("utf-8")):
        inputs, outputs = said["size"]
        steps = tuple((rows, Way(tile, block)) for rows, tile, block in said["steps"])
        plans[inputs, outputs] = Plan(steps, is_exact=said["is_exact"])
    return plans


def _digest(sizes: list[tuple[int, int]], steps: tuple[int, ...]) -> str:
    machine = [
        np.__version__,
        np.show_config(mode="dicts"),
        platform.machine(),
        _processor(),
        os.environ.get("OPENBLAS_NUM_THREADS"),
        os.environ.get("OPENBLAS_CORETYPE"),
    ]
    return sha256(json.dumps([_FORMAT, sizes, steps, machine]).encode()).hexdigest()[:32]


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor()

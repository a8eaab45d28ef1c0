"""Every row, in the order in which they are measured and shown."""

from typing import Final

from hive_bench.rows.cancel import CANCEL
from hive_bench.rows.commands import COMMANDS
from hive_bench.rows.cost import COST
from hive_bench.rows.drains import DRAINS
from hive_bench.rows.latency import LATENCY
from hive_bench.rows.mapping import MAPPING
from hive_bench.rows.output import OUTPUT
from hive_bench.rows.profile import PROFILE
from hive_bench.rows.row import Row
from hive_bench.rows.steady import STEADY
from hive_bench.rows.submit import SUBMIT
from hive_bench.rows.worktrees import WORKTREES

__all__ = ["ROWS"]

_ALL: Final[tuple[Row, ...]] = (
    *DRAINS, *COST, *LATENCY, *SUBMIT, *STEADY, *COMMANDS, *OUTPUT, *MAPPING, *CANCEL,
    *PROFILE, *WORKTREES,
)  # fmt: skip

ROWS: Final = {row.name: row for row in _ALL}
"""By name."""

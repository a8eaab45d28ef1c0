"""Run commands as tasks, all of them, and say how fast that went.

Times are taken from the rows: from the first start to the last end, by the database's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hive_bench.accounting import resident_mib_of_worker
from hive_bench.bench import Bench
from hive_bench.candidates import Processes
from hive_bench.crew import Crew, FailedError
from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask

__all__ = ["CommandRun", "run_commands", "submit_commands"]

LONGEST_SECONDS: Final = 90.0
LOOK_SECONDS: Final = 0.05

RATE: Final = """
select count(*) / extract(epoch from max(finished_at) - min(started_at))::double precision
from hive.task where state = 'succeeded'
"""


@dataclass(frozen=True, slots=True)
class CommandRun:
    """What came of running commands."""

    rate: float
    """How many a second."""

    worker_mib: float
    """Resident memory of the worker and its guardian at the end."""


async def run_commands(
    bench: Bench, commands: Sequence[Sequence[str]], processes: Processes
) -> CommandRun:
    """Run commands to their end.

    Raises:
        FailedError: one has not succeeded.
    """
    async with bench.crew("hive") as crew:
        await submit_commands(crew, commands)
        with crew.at_work(processes=processes) as pids:
            await crew.until_finished(within_seconds=LONGEST_SECONDS, look_seconds=LOOK_SECONDS)
            memory = resident_mib_of_worker(pids["worker"][0])
        async with bench.ground.connected(crew.database) as connection:
            succeeded: Any = await connection.fetchval(
                "select count(*) from hive.task where state = 'succeeded'"
            )
            if succeeded != len(commands):
                error = await connection.fetchval("select max(error) from hive.task")
                raise FailedError(f"{succeeded} of {len(commands)} commands succeeded: {error}")
            return CommandRun(float(await connection.fetchval(RATE)), memory)


async def submit_commands(crew: Crew, commands: Sequence[Sequence[str]]) -> Sequence[TaskId]:
    """Submit commands; return their ids."""
    url = crew.ground.url_of(crew.database)
    tasks = [NewTask(kind="command", payload={"argv": list(argv)}) for argv in commands]
    async with Hive.connect(url, crew.ground.redis_url) as hive:
        return await hive.submit_many(tasks)

"""What the rows share: the ground, how large everything is, and drains that several rows read."""

import sys
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

from hive_bench.bare_sql import drain_by_sql
from hive_bench.candidates import CANDIDATES
from hive_bench.crew import FAULTS, Crew
from hive_bench.draining import Drain, drain
from hive_bench.environments import Environments
from hive_bench.ground import EMPTY, Ground
from hive_bench.scale import Scale

__all__ = ["Bench", "Contest"]

LEAST_DRAINED = 100


class Contest:
    """Drains by candidate, in rounds: A B C, A B C, ..."""

    def __init__(self) -> None:
        self.drains: dict[str, list[Drain]] = {}
        self.by_sql: list[float] = []
        self.why_missing: dict[str, str] = {}

    def rates(self, name: str) -> list[float]:
        """Return the rates of a candidate, round by round."""
        return [drain.tasks_per_second for drain in self.drains[name]]


class Bench:
    """One run of the benchmark."""

    def __init__(
        self,
        ground: Ground,
        environments: Environments,
        scale: Scale,
        *,
        entrants: Collection[str],
        with_sql: bool,
        with_two: bool,
    ) -> None:
        self.ground = ground
        self.environments = environments
        self.scale = scale
        self._entrants = [name for name in CANDIDATES if name in entrants]
        self._with_sql = with_sql
        self._with_two = with_two
        self.contests: dict[int, Contest] = {}
        """By the number of workers, what has been measured."""

        self._sizes: dict[str, int] = {}

    @asynccontextmanager
    async def crew(self, name: str, *, like: str | None = None) -> AsyncGenerator[Crew]:
        """Give a candidate on a database of its own, which is deleted afterwards.

        Raises:
            MissingError: its environment is not there.
        """
        candidate, database = CANDIDATES[name], f"bench_of_{name}"
        crew = Crew(self.ground, self.environments, candidate, database, self.scale.variables)
        await self.ground.fresh_database(database, like=like or candidate.database)
        await self.ground.forget()
        try:
            await crew.set_up()
            yield crew
        finally:
            await self.ground.drop_database(database)

    async def size(self, name: str) -> int:
        """Return how many tasks a drain of a candidate has, after a warm-up that tells its rate."""
        if name not in self._sizes:
            guess = CANDIDATES[name].guess
            rate = float(guess)
            if self.scale.warm_up:
                async with self.crew(name) as crew:
                    warm_up = await drain(crew, int(guess * self.scale.warm_up))
                rate = warm_up.tasks_per_second
                self.note(f"warm-up of {name}: {rate:,.0f} tasks/s")
            # Hive's memory is read after its drains.
            least = self.scale.remembered if name == "hive" else LEAST_DRAINED
            wanted = max(int(rate * self.scale.drain_seconds), least)
            self._sizes[name] = min(wanted, self.scale.most_drained)
        return self._sizes[name]

    async def contest(self, workers: int = 1) -> Contest:
        """Return the drains with so many workers; measured when one is first asked for."""
        if not self.contests:
            await self._compete()
        return self.contests[workers]

    def note(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        print(f"  {text}", file=sys.stderr, flush=True)

    async def _compete(self) -> None:
        """Drain with one worker and with two by turns, so that both meet the same machine."""
        self.contests = {1: Contest(), 2: Contest()}
        for number in range(self.scale.rounds):
            self.note(f"drains, round {number + 1} of {self.scale.rounds}")
            if self._with_sql:
                self.contests[1].by_sql.append(await self._limit())
            for name in self._entrants:
                await self._enter(self.contests[1], name, 1)
            if self._with_two and number < self.scale.few_rounds:
                pairs = self._entrants if self.scale.peers_compete_twice else ["hive"]
                for name in pairs:
                    await self._enter(self.contests[2], name, 2)

    async def _enter(self, contest: Contest, name: str, workers: int) -> None:
        if name in contest.why_missing:
            return
        try:
            count = await self.size(name)
            async with self.crew(name) as crew:
                measured = await drain(crew, count, workers)
        except FAULTS as error:
            contest.why_missing[name] = str(error)
            contest.drains.pop(name, None)
            self.note(f"{name} is missing: {error}")
            return
        contest.drains.setdefault(name, []).append(measured)
        rate = measured.tasks_per_second
        self.note(f"{name} with {workers} worker(s): {rate:,.0f} tasks/s")

    async def _limit(self) -> float:
        count = await self.size("hive")
        async with self.crew("hive", like=EMPTY) as crew:
            await crew.submit(count)
            rate = await drain_by_sql(self.ground, crew.database)
        self.note(f"bare SQL: {rate:,.0f} tasks/s")
        return rate

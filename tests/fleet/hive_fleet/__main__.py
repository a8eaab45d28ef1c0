"""Run a fleet of agents on two machines, and hold Hive to what it claims for them.

    make fleet [TASKS=500] [SEED=1]
    make fleet FAULT=--without-breaker      claim 2 must be BROKEN

Agents are acted by Hive's own scripted agent; they meet quotas, hang, crash, ask and overspend,
while workers and the queen are killed. The last line is
`lost L twice T overlaps K left P broken B`; the exit code is 1 if any of them is not 0.
"""

import argparse
import sys
from pathlib import Path

import uvloop

from hive_fleet.claims import Claim, held_against
from hive_fleet.run import opened
from hive_testkit.plugin import temporary_directory

SMALL = 100


async def run(
    folder: Path, *, count: int, seed: int, has_breaker: bool
) -> tuple[list[Claim], dict[str, int]]:
    """Run the fleet; return what was found."""
    is_small = count < SMALL
    async with opened(folder) as fleet:
        for what, why in fleet.arena.missing.items():
            print(f"without {what}: {why}")
        await fleet.drive(
            count,
            seed=seed,
            kills=1 if is_small else 9,
            storms=(3,) if is_small else (10, 6),
            limit=60 + 2 * count,
            has_breaker=has_breaker,
        )
        print(
            f"{count} agents in {fleet.seconds:.0f} s; killed: {', '.join(fleet.kills) or 'none'};"
            f" {fleet.answered} questions answered\n"
        )
        return await held_against(fleet, samples=1 if is_small else 5)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="make fleet", description=__doc__)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--without-breaker", action="store_true", help="plant a fault: nothing keeps a quota"
    )
    chosen = parser.parse_args()
    has_breaker = not chosen.without_breaker
    with temporary_directory() as folder:
        claims, counts = uvloop.run(
            run(folder, count=chosen.tasks, seed=chosen.seed, has_breaker=has_breaker)
        )
    for claim in claims:
        print(f"{claim.number}  {'kept  ' if claim.is_kept else 'BROKEN'}  {claim.says}")
        print(f"           {claim.found}")
    broken = sum(not claim.is_kept for claim in claims)
    print()
    print(" ".join(f"{name} {count}" for name, count in {**counts, "broken": broken}.items()))
    sys.exit(1 if broken or any(counts.values()) else 0)


if __name__ == "__main__":
    main()

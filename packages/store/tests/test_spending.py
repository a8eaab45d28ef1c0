"""What attempts spend is summed once, and budgets keep what would spend more."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import UsageError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.spending import Budget, BudgetScope, Spending, Spent
from hive_contracts.states import Move, TaskState
from hive_store.budget_store import BudgetStore
from hive_store.deeds import Actor
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.ground import Ground, open_ground
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ADA = Actor("ada", "here")
CENT = 10_000


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


@pytest.fixture
def budgets(ground: Ground) -> BudgetStore:
    return BudgetStore(ground.tasks.line, ADA)


def held(leased: LeasedTask) -> tuple[TaskId, LeaseId]:
    return leased.task.id, leased.task.lease_id


async def spend(ground: Ground, leased: LeasedTask, **spending: int | None) -> None:
    await ground.worker.spend([(*held(leased), Spending(**spending))])


def park(leased: LeasedTask, reason: str, until: datetime | None) -> Ending:
    return Ending(
        *held(leased), Move.PARK, OutcomeName.RELEASED, error=reason, until=until, run_seconds=0.0
    )


async def test_what_is_told_again_is_summed_once_and_never_shrinks(ground: Ground) -> None:
    first, second = await ground.lease(2, group="g")
    for spending in (
        Spending(microdollars=CENT, turns=1),
        Spending(microdollars=3 * CENT, turns=2),
    ):
        for _ in range(2):
            assert await ground.worker.spend([(*held(first), spending)]) == {first.task.id}
    await spend(ground, first, microdollars=2 * CENT, input_tokens=7, output_tokens=5)
    await spend(ground, second, microdollars=CENT)
    assert await ground.tasks.spent_by(first.task.id) == Spent(
        microdollars=3 * CENT, tokens=12, turns=2, unpriced=0
    )
    both = Spent(microdollars=4 * CENT, tokens=12, turns=2, unpriced=0)
    assert await BudgetStore(ground.tasks.line, ADA).spent_by_group("g") == both


async def test_what_is_told_again_while_the_first_is_still_at_work_is_summed_once(
    ground: Ground, database: Connection
) -> None:
    [leased] = await ground.lease(1, group="g")
    async with asyncio.TaskGroup() as tasks, database.transaction():
        await database.execute(
            "select hive.write_spending(array[$1::bigint], array[$2::uuid], array[30::bigint],"
            " array[7::bigint], array[null::bigint], array[2::bigint])",
            *held(leased),
        )
        repeat = tasks.create_task(spend(ground, leased, microdollars=30, input_tokens=7, turns=2))
        waiting = "select exists (select from pg_locks where not granted)"
        await until(lambda: database.fetchval(waiting))
        assert not repeat.done()
    whole = Spent(microdollars=30, tokens=7, turns=2, unpriced=0)
    assert await BudgetStore(ground.tasks.line, ADA).spent_by_group("g") == whole


async def test_what_is_parked_by_hand_stays_so_whatever_the_reason(
    ground: Ground, budgets: BudgetStore
) -> None:
    ids = await ground.submit(2)
    for task_id, reason in zip(ids, ("budget talks", "budget all is used up: ask"), strict=True):
        await ground.tasks.park([task_id], until=None, reason=reason, by=ADA)
    assert await budgets.set(Budget(scope=BudgetScope.ALL, turns=5)) == 0
    assert await ground.queen.free_from_budgets() == 0


@pytest.mark.parametrize("amount", [-1, 2**63, True, 0.5])
def test_what_nobody_can_have_spent_is_refused(amount: Any) -> None:
    for name in ("microdollars", "input_tokens", "output_tokens", "turns"):
        with pytest.raises(ValueError, match=f"{name} is a whole number from 0 to"):
            Spending(**{name: amount})


async def test_a_price_that_nobody_knows_is_not_nothing(
    ground: Ground, budgets: BudgetStore
) -> None:
    [leased] = await ground.lease(1, group="g")
    assert await ground.tasks.spent_by(leased.task.id) is None
    assert await budgets.spent_by_group("g") is None
    await spend(ground, leased, input_tokens=3)
    spent = await ground.tasks.spent_by(leased.task.id)
    assert spent == Spent(microdollars=None, tokens=3, turns=None, unpriced=1)
    of_group = await budgets.spent_by_group("g")
    assert of_group is not None
    assert of_group.unpriced == 1
    await spend(ground, leased, microdollars=CENT)
    of_group = await budgets.spent_by_group("g")
    assert of_group == Spent(microdollars=CENT, tokens=3, turns=0, unpriced=0)


async def test_who_has_lost_its_lease_tells_nothing(ground: Ground, database: Connection) -> None:
    [leased] = await ground.lease(1)
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    await ground.queen.reap(batch_size=10)
    assert await ground.worker.spend([(*held(leased), Spending(microdollars=CENT))]) == set()
    assert await database.fetchval("select count(*) from hive.spent") == 0


async def test_a_used_up_budget_is_told_to_those_who_spend_and_keeps_those_who_have_not_begun(
    ground: Ground, budgets: BudgetStore
) -> None:
    await budgets.set(Budget(scope=BudgetScope.GROUP, target="g", microdollars=2 * CENT))
    first, second, third = await ground.lease(3, group="g")
    [other] = await ground.lease(1, group="h")
    await ground.worker.start([held(first)])
    await spend(ground, first, microdollars=CENT)
    ids = [first.task.id, other.task.id]
    assert await ground.worker.spent_budgets_of(ids) == {}
    await spend(ground, first, microdollars=3 * CENT)
    reason = "budget group:g is used up: 0.03 USD of 0.02 USD"
    assert await ground.worker.spent_budgets_of(ids) == {first.task.id: reason}

    starts = await ground.worker.start([held(first), held(second), held(other)])
    assert starts.begun == {first.task.id, other.task.id}
    assert starts.spent == {second.task.id: (reason, None)}
    await ground.worker.finish([park(second, reason, None)])
    record = await ground.tasks.read(second.task.id)
    assert (record.attempt, record.parked_reason) == (0, reason)

    # Less is not enough, and more lets go on what has not begun.
    assert await budgets.set(Budget(scope=BudgetScope.GROUP, target="g", microdollars=CENT)) == 0
    raised = Budget(scope=BudgetScope.GROUP, target="g", microdollars=10 * CENT)
    assert await budgets.set(raised) == 1
    assert (await ground.tasks.read(second.task.id)).state is TaskState.QUEUED
    [used] = await budgets.all()
    assert (used.budget, used.spent.microdollars, used.is_used_up) == (raised, 3 * CENT, False)
    # Parked in the very moment in which it was raised: somebody comes by.
    await ground.worker.finish([park(third, reason, None)])
    assert await ground.queen.free_from_budgets() == 1
    assert await budgets.remove("group:g") == 0
    assert await budgets.remove("group:g") is None


async def test_a_budget_of_a_day_keeps_a_queue_until_tomorrow(
    ground: Ground, budgets: BudgetStore, database: Connection
) -> None:
    daily = Budget(scope=BudgetScope.QUEUE, target="default", is_daily=True, tokens=10, turns=3)
    await budgets.set(daily)
    first, second = await ground.lease(2)
    await spend(ground, first, input_tokens=6, output_tokens=5)
    starts = await ground.worker.start([held(second)])
    reason, until = starts.spent[second.task.id]
    assert reason == "budget queue:default/day is used up: 11 of 10 tokens"
    assert until is not None
    assert (until.astimezone(UTC).hour, until.astimezone(UTC).minute) == (0, 0)
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(days=1)
    # A day later.
    await database.execute("update hive.spent set day = day - interval '24 hours'")
    assert (await ground.worker.start([held(second)])).begun == {second.task.id}
    await budgets.set(Budget(scope=BudgetScope.ALL, tokens=11))
    assert list(await ground.worker.spent_budgets_of([second.task.id])) == [second.task.id]
    assert [used.budget.name for used in await budgets.all()] == ["all", "queue:default/day"]


async def test_the_sums_of_old_days_become_one_and_no_total_changes(
    ground: Ground, budgets: BudgetStore, database: Connection
) -> None:
    for target in ("kept", "g"):
        await budgets.set(Budget(scope=BudgetScope.GROUP, target=target, microdollars=CENT))
    await budgets.set(Budget(scope=BudgetScope.QUEUE, target="q", turns=1))
    await budgets.set(Budget(scope=BudgetScope.ALL, tokens=1, is_daily=True))
    [leased] = await ground.lease(1, group="g")
    await spend(ground, leased, microdollars=CENT, input_tokens=1)
    # 400 days of two queues, each of a group with a budget, of one that is gone, and of none.
    await database.execute(
        "insert into hive.spent (day, queue, group_name, microdollars, tokens, turns, unpriced)"
        " select date_trunc('day', now(), 'UTC') - make_interval(hours => 24 * ago), queue, name,"
        " ago, 2 * ago, 1, 1 from generate_series(1, 400) ago, unnest(array['q', 'r']) queue,"
        " unnest(array['kept', 'gone-' || ago, '']) name"
    )
    sums = "select sum(microdollars), sum(tokens), sum(turns), sum(unpriced) from hive.spent"
    of_all, used = await database.fetchrow(sums), await budgets.all()
    while await ground.queen.fold_spent(keep_days=31, limit=1000):
        assert (await database.fetchrow(sums), await budgets.all()) == (of_all, used)
    assert (await database.fetchrow(sums), await budgets.all()) == (of_all, used)
    # Two queues with a sum for the group that has a budget and one for all others; 31 days; today.
    assert await database.fetchval("select count(*) from hive.spent") == 2 * 2 + 31 * 6 + 1
    old = await budgets.spent_by_group("gone-400")
    young = await budgets.spent_by_group("gone-31")
    assert (old, young) == (None, Spent(microdollars=62, tokens=124, turns=2, unpriced=2))

    # A group keeps its sum until its last task has left and its budget is lifted.
    await budgets.remove("group:kept")
    await database.execute(
        "update hive.spent set day = day - interval '2400 hours' where day <> 'epoch'"
    )
    while await ground.queen.fold_spent(keep_days=31, limit=1000):
        pass
    assert await database.fetchrow(sums) == of_all
    names = "select array_agg(group_name order by group_name) from hive.spent where queue <> 'q'"
    assert await database.fetchval(names) == ["", "g"]


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(scope=BudgetScope.ALL), "says how much may be spent"),
        (Budget(scope=BudgetScope.ALL, target="x", turns=1), "names nothing, not 'x'"),
        (Budget(scope=BudgetScope.GROUP, turns=1), "1 to 200 characters"),
        (Budget(scope=BudgetScope.QUEUE, target="q", turns=-1), "000 turns, not -1"),
    ],
)
async def test_what_is_no_budget_is_refused(
    budgets: BudgetStore, budget: Budget, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        await budgets.set(budget)


async def test_an_attempt_that_ran_over_its_budget_has_failed_for_good(ground: Ground) -> None:
    [leased] = await ground.lease(1, max_attempts=5)
    ending = Ending(*held(leased), Move.FAIL, OutcomeName.BUDGET, error="it is used up")
    [finished] = await ground.worker.finish([ending])
    assert (finished.state, finished.outcome) == (TaskState.FAILED, OutcomeName.BUDGET)
    [ended] = await ground.tasks.read_ended([leased.task.id])
    assert ended.outcome is OutcomeName.BUDGET

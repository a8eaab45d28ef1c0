"""The hot statements read indexes, whatever the planner believes about the tables.

Each runs in four situations: a burst into empty tables that nothing has analyzed since; the same
with plans that were made before it, and kept; a burst beside 50,000 finished tasks, on statistics
of an empty queue; and with generic plans made on statistics of the full tables. What is looked at
is what the statement really did: `explain analyze`, rolled back.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from hive_store import HOT_SETTINGS
from hive_store.statements import statement
from hive_testkit.plugin import fresh_database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Plan: TypeAlias = dict[str, Any]

BURST: Final = 20_000
FINISHED: Final = 50_000
BUNDLE: Final = 200
QUEEN, WORKER = uuid4(), uuid4()
EVERYTHING: Final = ([-1], [datetime(1970, 1, 1, tzinfo=UTC)], [0], [32767])

ADD_QUEUED: Final = (
    f"insert into hive.task (kind, priority) select 'x', g % 3 from generate_series(1, {BURST}) g"
)
ADD_FINISHED: Final = (
    "insert into hive.task (kind, state, finished_at, outcome, claims, ended_lease)"
    " select 'x', 'succeeded', now(), 'succeeded', 1, gen_random_uuid()"
    f" from generate_series(1, {FINISHED});"
    "insert into hive.event (type, task_id) select 'succeeded', g"
    f" from generate_series(1, {FINISHED}) g"
)
ADD_SCHEDULED: Final = (
    "insert into hive.task (kind, state, run_at)"
    " select 'x', 'scheduled', now() + (g - 50) * interval '1 s' from generate_series(1, 2000) g"
)


OLD_PLANS: Final = "burst behind old plans"

PLANNED: Final = (
    *("claim_tasks", "accept_leases", "read_leased_tasks", "start_tasks", "finish_tasks"),
    *("succeed_tasks", "renew_leases", "reap_leases", "release_due_tasks", "grant_turns"),
    *("claim_limited_tasks", "count_open_tasks", "count_orphans", "count_called_off"),
    *("write_spending", "free_from_budgets", "forget_unique_keys"),
)
"""What is sent over hot lines, and is explained below."""


@pytest.fixture(
    scope="module", params=["burst", OLD_PLANS, "beside finished tasks", "generic plans"]
)
def situation(
    request: pytest.FixtureRequest, postgres_server: str, postgres_template: str
) -> Generator[tuple[str, str]]:
    """What it is called, and the name of a database that is in it, to be copied."""
    with fresh_database(postgres_server, postgres_template) as url:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(_come_about(url, request.param))
        yield request.param, urlsplit(url).path.removeprefix("/")


async def _come_about(url: str, situation: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        # No analyze behind the test's back: the statistics are those of the situation.
        await connection.execute("alter table hive.task set (autovacuum_enabled = off)")
        if situation == OLD_PLANS:
            return  # who has made them brings the burst
        if situation != "burst":
            await connection.execute(ADD_FINISHED)
            await connection.execute("analyze")
        await connection.execute(ADD_QUEUED)
        if situation == "generic plans":
            await connection.execute("analyze")
    finally:
        await connection.close()


@pytest.fixture
def database_url(postgres_server: str, situation: tuple[str, str]) -> Generator[str]:
    with fresh_database(postgres_server, situation[1]) as url:
        yield url


@pytest.fixture
async def hot(database_url: str, situation: tuple[str, str]) -> AsyncGenerator[Connection]:
    """A connection as queens and workers have it."""
    is_generic = situation[0] == "generic plans"
    generic = {"plan_cache_mode": "force_generic_plan"} if is_generic else {}
    connection = await asyncpg.connect(database_url, server_settings=HOT_SETTINGS | generic)
    try:
        if situation[0] == OLD_PLANS:
            await _make_plans(connection)
            await connection.execute(ADD_QUEUED)
        yield connection
    finally:
        await connection.close()


async def _make_plans(connection: Connection) -> None:
    """Have the connection plan every hot statement, and keep the plans."""
    for name in PLANNED:
        kinds = (await connection.prepare(statement(name))).get_parameters()
        nothing = f"({', '.join('null' for _ in kinds)})" if kinds else ""
        await connection.execute(f"explain execute {await _prepared(connection, name)}{nothing}")


async def _prepared(connection: Connection, name: str) -> str:
    """Prepare a statement once; return what its plan is called, which is kept."""
    plan = f"plan_of_{name}"
    known = "select exists(select from pg_prepared_statements where name = $1)"
    if not await connection.fetchval(known, plan):
        await connection.execute(f"prepare {plan} as {statement(name)}")
    return plan


async def explain(connection: Connection, name: str, *arguments: object) -> Plan:
    """What the statement did, as Postgres tells it; what it wrote is taken back.

    It is executed as a prepared statement: `explain` by itself never takes a generic plan.
    """
    kinds = (await connection.prepare(statement(name))).get_parameters()
    written = [
        await connection.fetchval(f"select quote_nullable(($1::{kind.name})::text)", argument)
        for kind, argument in zip(kinds, arguments, strict=True)
    ]
    values = f"({', '.join(written)})" if written else ""
    plan = await _prepared(connection, name)
    transaction = connection.transaction()
    await transaction.start()
    try:
        told = await connection.fetchval(
            f"explain (analyze, buffers, timing off, format json) execute {plan}{values}"
        )
    finally:
        await transaction.rollback()
    return json.loads(told)[0]["Plan"]


def nodes(plan: Plan) -> Generator[Plan]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def scans(plan: Plan, relation: str) -> list[Plan]:
    """How a table, or the partitions of one, were read."""
    return [
        node
        for node in nodes(plan)
        if node.get("Relation Name", "").startswith(relation) and node["Node Type"] != "ModifyTable"
    ]


def rows_read(node: Plan) -> float:
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]


def buffers(plan: Plan) -> int:
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def assert_reads_indexes(plan: Plan) -> None:
    for relation in ("task", "lease", "event"):
        kinds = {node["Node Type"] for node in scans(plan, relation)}
        assert kinds <= {"Index Scan", "Index Only Scan"}, (relation, kinds)


async def claim(connection: Connection, limit: int, *intervals: Any) -> list[asyncpg.Record]:
    return await connection.fetch(
        statement("claim_tasks"), *claim_arguments(limit, *(intervals or EVERYTHING))
    )


def claim_arguments(limit: int, *intervals: Any) -> tuple[Any, ...]:
    return (QUEEN, "default", limit, 15.0, BUNDLE, 1, *intervals, "")


async def lease_tasks(connection: Connection) -> tuple[UUID, list[int]]:
    """Claim and accept a bundle; return its lease and its tasks."""
    await claim(connection, BUNDLE)
    [lease] = await connection.fetch("select id, task_ids from hive.lease")
    await connection.fetch(statement("accept_leases"), WORKER, [lease["id"]], 15.0)
    return lease["id"], lease["task_ids"]


def finish_arguments(lease_id: UUID, ids: list[int]) -> tuple[Any, ...]:
    count = len(ids)
    nothing, durations = [None] * count, [0.1] * count
    words = (["succeed"] * count, ["succeeded"] * count, ["1"] * count)
    return (ids, [lease_id] * count, *words, nothing, nothing, durations, [lease_id], WORKER)


def success_arguments(lease_id: UUID, ids: list[int]) -> tuple[Any, ...]:
    return (ids, [lease_id] * len(ids), ["1"], [0.1] * len(ids), [lease_id], WORKER)


async def test_a_claim_reads_its_index_in_claim_order_and_no_more_than_it_takes(
    hot: Connection,
) -> None:
    plan = await explain(hot, "claim_tasks", *claim_arguments(100, *EVERYTHING))
    assert_reads_indexes(plan)
    [candidates] = [n for n in scans(plan, "task") if n["Index Name"] == "task_claimable"]
    assert "ROW(priority, run_at, id) > ROW(" in candidates["Index Cond"]
    assert "queue = " in candidates["Index Cond"]
    assert rows_read(candidates) <= 101
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 210


async def test_a_claim_behind_a_watermark_does_not_step_over_what_was_claimed_before(
    hot: Connection, database_url: str
) -> None:
    holder = await asyncpg.connect(database_url)
    try:
        # A held snapshot keeps the entries of claimed tasks in the index.
        async with holder.transaction(isolation="repeatable_read"):
            await holder.fetch("select count(*) from hive.queen")
            rows = [row for _ in range(10) for row in await claim(hot, BUNDLE)]
            assert {row["priority"] for row in rows} == {0}
            last = max(rows, key=lambda row: (row["last_run_at"], row["last_id"]))
            mark = ([0], [last["last_run_at"]], [last["last_id"]], [32767])
            plan = await explain(hot, "claim_tasks", *claim_arguments(100, *mark))
            blind = await explain(hot, "claim_tasks", *claim_arguments(100, *EVERYTHING))
    finally:
        await holder.close()
    [candidates] = [n for n in scans(plan, "task") if n["Index Name"] == "task_claimable"]
    [stepping] = [n for n in scans(blind, "task") if n["Index Name"] == "task_claimable"]
    assert rows_read(candidates) <= 101
    assert buffers(candidates) < 200
    assert buffers(stepping) > buffers(candidates) + 100, "nothing was in the way"


async def test_accepting_and_renewing_read_leases_by_their_ids(hot: Connection) -> None:
    await claim(hot, BUNDLE)
    ids = [row["id"] for row in await hot.fetch("select id from hive.lease")]
    assert_reads_indexes(await explain(hot, "accept_leases", WORKER, ids, 15.0))
    await hot.fetch(statement("accept_leases"), WORKER, ids, 15.0)
    plan = await explain(hot, "renew_leases", WORKER, ids, 15.0)
    assert_reads_indexes(plan)
    assert buffers(plan) < 100


async def test_reading_and_starting_look_up_the_tasks_of_their_leases_alone(
    hot: Connection,
) -> None:
    lease_id, ids = await lease_tasks(hot)
    read = await explain(hot, "read_leased_tasks", WORKER, [lease_id])
    assert_reads_indexes(read)
    assert sum(rows_read(node) for node in scans(read, "task")) <= BUNDLE
    start = await explain(hot, "start_tasks", ids[:5], [lease_id] * 5)
    assert_reads_indexes(start)
    assert sum(rows_read(node) for node in scans(start, "task")) <= 10


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("finish_tasks", finish_arguments), ("succeed_tasks", success_arguments)],
)
async def test_what_a_finish_costs_does_not_depend_on_how_many_tasks_there_are(
    name: str, arguments: Callable[[UUID, list[int]], tuple[Any, ...]], hot: Connection
) -> None:
    lease_id, ids = await lease_tasks(hot)
    plan = await explain(hot, name, *arguments(lease_id, ids))
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "task")) <= BUNDLE
    assert buffers(plan) < 25 * BUNDLE
    one = await explain(hot, name, *arguments(lease_id, ids[:1]))
    assert buffers(one) < 60


async def test_a_repeated_finish_looks_up_its_tasks_alone(hot: Connection) -> None:
    lease_id, ids = await lease_tasks(hot)
    arguments = finish_arguments(lease_id, ids)
    [ended, _lease] = await hot.fetch(statement("finish_tasks"), *arguments)
    assert sorted(ended["task_ids"]) == ids
    plan = await explain(hot, "finish_tasks", *arguments)
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "task")) <= BUNDLE


async def test_the_reaper_looks_at_lapsed_leases_alone(hot: Connection) -> None:
    await lease_tasks(hot)
    idle = await explain(hot, "reap_leases", 100)
    assert_reads_indexes(idle)
    assert buffers(idle) < 20
    await hot.execute("update hive.lease set expires_at = now() - interval '1 s'")
    plan = await explain(hot, "reap_leases", 100)
    assert_reads_indexes(plan)
    # Twice the lease's tasks, or once the burst's: a table that small may be read in one go.
    assert sum(rows_read(node) for node in scans(plan, "task")) <= BURST + 2 * BUNDLE
    [found] = [n for n in scans(plan, "lease") if n.get("Index Name") == "lease_expiry"]
    assert "expires_at < statement_timestamp()" in found["Index Cond"]


async def test_the_sweep_reads_due_tasks_and_the_next_one(hot: Connection) -> None:
    await hot.execute(ADD_SCHEDULED)
    plan = await explain(hot, "release_due_tasks", 100)
    assert_reads_indexes(plan)
    assert all("Index Cond" in node for node in scans(plan, "task"))
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 110


async def test_a_page_of_the_log_is_read_in_the_order_of_its_index(hot: Connection) -> None:
    await hot.execute(ADD_FINISHED)
    for cursor in (("0", 0), ("3", 10)):
        plan = await explain(hot, "read_events", *cursor, 100)
        assert_reads_indexes(plan)
        pages = [n for n in scans(plan, "event") if n["Actual Rows"]]
        assert all("ROW(xid, id) > ROW(" in page["Index Cond"] for page in pages)
        assert all("xid < pg_snapshot_xmin" in page["Index Cond"] for page in pages)
        assert sum(rows_read(page) for page in pages) <= 110
        assert not any("Sort" in node["Node Type"] for node in nodes(plan))


async def test_counting_what_was_called_off_reads_a_page_of_the_log_and_its_tasks(
    hot: Connection,
) -> None:
    await hot.execute(ADD_FINISHED)
    await hot.execute("insert into hive.event (type, task_id) select 'cancelled', g"
                      " from generate_series(1, 50) g")  # fmt: skip
    for cursor in (("0", 0), ("3", 10)):
        plan = await explain(hot, "count_called_off", *cursor, 100)
        assert_reads_indexes(plan)
        assert sum(rows_read(page) for page in scans(plan, "event")) <= 110
        assert sum(rows_read(node) for node in scans(plan, "task")) <= 100


async def test_the_counts_for_the_gauges_read_no_ended_task(hot: Connection) -> None:
    await lease_tasks(hot)
    for name in ("count_open_tasks", "count_orphans"):
        plan = await explain(hot, name)
        read = [n for n in scans(plan, "task") if rows_read(n) > BUNDLE]
        assert {n.get("Index Name") for n in read} <= {"task_claimable"}, name


async def test_the_claims_of_one_task_are_looked_for_where_they_must_be(hot: Connection) -> None:
    _, [task_id, *_] = await lease_tasks(hot)
    await hot.execute(
        "insert into hive.event (type, task_ids, at)"
        " select 'dispatched', array[g], now() - interval '10 minutes'"
        " from generate_series(1, 5000) g"
    )
    plan = await explain(hot, "read_task_events", task_id, 1000)
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "event")) <= 20


async def test_the_first_page_of_a_list_reads_no_more_than_it_shows(hot: Connection) -> None:
    await hot.execute(ADD_FINISHED)
    nothing = [None] * 7
    plan = await explain(hot, "select_tasks", *nothing, 21, None)
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 21


async def test_the_end_of_the_log_is_read_backwards_by_its_index(hot: Connection) -> None:
    await hot.execute(ADD_FINISHED)
    plan = await explain(hot, "read_events_before", "9000000000", 1, 20)
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "event")) <= 30


async def test_tasks_that_have_a_lease_each_cost_no_square(hot: Connection) -> None:
    one_each = (QUEEN, "default", BUNDLE, 15.0, 1, 1, *EVERYTHING, "")
    claimed = await explain(hot, "claim_tasks", *one_each)
    rows = await hot.fetch(statement("claim_tasks"), *one_each)
    leases = [row["lease_id"] for row in rows]
    await hot.fetch(statement("accept_leases"), WORKER, leases, 15.0)
    read = await explain(hot, "read_leased_tasks", WORKER, leases)
    ids = [row["last_id"] for row in rows]
    _, _, *ending, _, worker = finish_arguments(leases[0], ids)
    finished = await explain(hot, "finish_tasks", ids, leases, *ending, leases, worker)
    succeeded = await explain(
        hot, "succeed_tasks", ids, leases, ["1"], [0.1] * len(ids), leases, worker
    )
    for plan in (claimed, read, finished, succeeded):
        assert_reads_indexes(plan)
        compared = max(
            n.get("Rows Removed by Join Filter", 0) * n["Actual Loops"] for n in nodes(plan)
        )
        assert compared <= BUNDLE


async def test_unique_keys_of_tasks_that_are_gone_cost_a_page_each_time(hot: Connection) -> None:
    await hot.execute(
        "insert into hive.unique_key (key, task_id, at)"
        " select g::text, 1000000 + g, now() - interval '1 h' from generate_series(1, 5000) g"
    )
    plan = await explain(hot, "forget_unique_keys", 0.0, 100)
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 100
    assert buffers(plan) < 10_000


async def test_what_is_spent_is_written_at_a_cost_of_what_is_told(hot: Connection) -> None:
    lease_id, ids = await lease_tasks(hot)
    for count in (1, 100):
        told = [[1] * count for _ in range(4)]
        plan = await explain(hot, "write_spending", ids[:count], [lease_id] * count, *told)
        assert plan["Actual Rows"] == count
        # A row of the task, of what it has spent, and of the sums, with their indexes.
        assert buffers(plan) < 500 + 30 * count


async def test_what_is_spent_is_summed_once_however_many_tasks_a_budget_keeps(
    hot: Connection,
) -> None:
    await hot.execute(
        "insert into hive.spent (day, queue, group_name, microdollars)"
        " select date_trunc('day', now(), 'UTC'), 'default', g::text, 1"
        " from generate_series(1, 2000) g;"
        "select hive.set_budget('queue', 'default', false, 1000);"
        "insert into hive.task"
        " (kind, state, run_at, parked_at, parked_reason, parked_run_at, error)"
        " select 'agent', 'scheduled', 'infinity', now(), r.reason, now(), r.reason"
        " from (select reason from hive.budget_use) r, generate_series(1, 1000)"
    )
    plan = await explain(hot, "free_from_budgets", None, None)
    assert buffers(plan) < 10_000
    await hot.execute("select hive.set_budget('queue', 'default', false, 1000000)")
    parked = "select count(*) from hive.task where parked_at is not null"
    assert await hot.fetchval(parked) == 0


async def test_a_hot_key_costs_neither_its_grant_nor_the_claims_of_others(hot: Connection) -> None:
    await hot.execute(
        "insert into hive.task (kind, key, has_turn, state)"
        f" select 'call', 'hot', false, 'blocked' from generate_series(1, {BURST});"
        "insert into hive.key_wake select 'hot' from generate_series(1, 100)"
    )
    granted = await explain(hot, "grant_turns", 1000)
    assert_reads_indexes(granted)
    assert buffers(granted) < 2000
    claimed = await explain(hot, "claim_tasks", *claim_arguments(BUNDLE, *EVERYTHING))
    assert_reads_indexes(claimed)
    assert sum(rows_read(node) for node in scans(claimed, "task")) <= 2 * BUNDLE


async def test_a_limit_that_is_reached_costs_others_nothing_however_many_wait_for_it(
    hot: Connection,
) -> None:
    await hot.execute(
        "insert into hive.task (kind, state, waits_for_limit, run_at)"
        " select 'agent', 'blocked', 'kind:agent', now() - interval '1 h'"
        f" from generate_series(1, {BURST});"
        "select hive.set_limit('kind', 'agent', 5)"
    )
    arguments = (*claim_arguments(100, *EVERYTHING), 100)
    plan = await explain(hot, "claim_limited_tasks", *arguments)
    assert_reads_indexes(plan)
    # Read and written: five from the limit's line, the rest from the queue's.
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 500
    await hot.fetch(statement("claim_limited_tasks"), *arguments)
    full = await explain(hot, "claim_limited_tasks", *arguments)
    assert_reads_indexes(full)
    assert not [
        n for n in scans(full, "task") if n["Index Name"] == "task_held_up" and rows_read(n)
    ]


async def test_an_open_breaker_costs_others_nothing_however_many_wait_for_it(
    hot: Connection,
) -> None:
    await hot.execute(
        "insert into hive.task (kind, state, breaker, waits_for_limit, run_at)"
        " select 'agent', 'blocked', 'p:a', 'breaker:p:a', now() - interval '1 h'"
        f" from generate_series(1, {BURST});"
        "select hive.open_breaker('p:a')"
    )
    arguments = (*claim_arguments(100, *EVERYTHING), 100)
    shut = await explain(hot, "claim_limited_tasks", *arguments)
    assert_reads_indexes(shut)
    assert not [
        n for n in scans(shut, "task") if n["Index Name"] == "task_held_up" and rows_read(n)
    ]
    await hot.execute("select hive.open_breaker('p:a', interval '0')")
    tried = await explain(hot, "claim_limited_tasks", *arguments)
    assert_reads_indexes(tried)
    # Read and written: one from the breaker's line, the rest from the queue's.
    assert sum(rows_read(node) for node in scans(tried, "task")) <= 500
    await hot.fetch(statement("claim_limited_tasks"), *arguments)
    assert await hot.fetchval("select probe_id from hive.usage_limit") is not None


async def test_starts_of_tasks_without_a_breaker_pay_nothing_for_them(hot: Connection) -> None:
    rows = await hot.fetch(statement("claim_tasks"), *claim_arguments(100, *EVERYTHING))
    lease_ids = [row["lease_id"] for row in rows]
    [lease] = await hot.fetch("select id, task_ids from hive.lease where id = $1", lease_ids[0])
    await hot.fetch(statement("accept_leases"), QUEEN, [lease["id"]], 15.0)
    ids = lease["task_ids"]
    plan = await explain(hot, "start_tasks", ids, [lease["id"]] * len(ids))
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "usage_limit")) == 0


async def test_only_tasks_that_may_become_more_urgent_are_looked_at(hot: Connection) -> None:
    await hot.execute("update hive.task set priority = 0 where state = 'queued'")
    plan = await explain(hot, "raise_tasks", 0.000001, 100)
    assert_reads_indexes(plan)
    await hot.execute("vacuum hive.task")
    plan = await explain(hot, "raise_tasks", 0.000001, 100)
    assert sum(rows_read(node) for node in scans(plan, "task")) == 0
    await hot.execute(
        "insert into hive.task (kind, priority) select 'x', 5 from generate_series(1, 500)"
    )
    plan = await explain(hot, "raise_tasks", 0.000001, 100)
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 210


async def test_a_hundred_thousand_waiting_tasks_cost_neither_ends_nor_claims(
    hot: Connection,
) -> None:
    """Each waits for one of a thousand; one end frees a hundred."""
    lease_id, ids = await lease_tasks(hot)
    await hot.execute(
        "with child as ("
        "  insert into hive.task (kind, state, is_gated)"
        "  select 'call', 'blocked', true from generate_series(1, 100000) returning id)"
        " insert into hive.dependency (child_id, parent_id, is_open)"
        f" select id, {ids[0]} + id % 1000, true from child"
    )
    finished = await explain(hot, "finish_tasks", *finish_arguments(lease_id, ids))
    assert_reads_indexes(finished)
    assert sum(rows_read(node) for node in scans(finished, "task")) <= BUNDLE
    await hot.fetch(statement("finish_tasks"), *finish_arguments(lease_id, ids[:1]))
    closed = await explain(hot, "close_dependencies", 1000, 1000)
    assert_reads_indexes(closed)
    assert sum(rows_read(node) for node in scans(closed, "dependency")) <= 400
    await hot.fetch(statement("close_dependencies"), 1000, 1000)
    released = await explain(hot, "release_gates", 1000)
    assert_reads_indexes(released)
    assert buffers(released) < 20_000
    [gates] = await hot.fetch(statement("release_gates"), 1000)
    assert gates["queued"] == 100
    claimed = await explain(hot, "claim_tasks", *claim_arguments(BUNDLE, *EVERYTHING))
    assert_reads_indexes(claimed)
    assert sum(rows_read(node) for node in scans(claimed, "task")) <= 2 * BUNDLE


async def test_pruning_looks_at_a_page_of_tasks_and_deletes_by_their_ids(hot: Connection) -> None:
    await hot.execute(ADD_FINISHED)
    await hot.execute("update hive.task set finished_at = now() - interval '8 days'"
                      " where id in (select id from hive.task where finished_at is not null"
                      " order by id limit 300)")  # fmt: skip
    terms = ([None], [None], [None], [7 * 86400.0], None, False)
    plan = await explain(hot, "prune_tasks", 0, 1000, 2000, *terms)
    for relation in ("task", "attempt", "output"):
        kinds = {node["Node Type"] for node in scans(plan, relation)}
        assert kinds <= {"Index Scan", "Index Only Scan"}, (relation, kinds)
    # A page, and those that are due once to lock and once to delete.
    assert sum(rows_read(node) for node in scans(plan, "task")) <= 1000 + 2 * 300
    assert buffers(plan) < 20 * 1000


async def test_the_oldest_finished_task_is_found_by_the_order_of_ids(hot: Connection) -> None:
    await hot.execute(ADD_FINISHED)
    plan = await explain(hot, "find_oldest_finished")
    assert_reads_indexes(plan)
    assert sum(rows_read(node) for node in scans(plan, "task")) <= BURST + 1


async def test_a_look_at_the_tasks_for_the_planner_takes_few_of_them(database: Connection) -> None:
    """One column, or one expression of an index, that asks for more has all of it take more."""
    said: list[str] = []
    database.add_log_listener(lambda _connection, message: said.append(str(message)))
    await database.execute(ADD_QUEUED)
    await database.execute("analyze (verbose) hive.task")
    [sample] = [words for words in said if "rows in sample" in words]
    assert "; 3000 rows in sample" in sample

"""Each role of least privilege can send its own statements, and none that write for another."""

import ast
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from hive_store.statements import names, statement
from hive_testkit.roles import ROLES, Roles, granted_roles, send_roles

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

READERS: Final = frozenset(ROLES)
SENT_BY: Final = {
    "budget": READERS,
    "event_log.EventLog": READERS,
    "fleet_store.FleetStore": READERS,
    "line.Line": READERS,
    "exporting._Export": READERS,
    "migrating": READERS,
    "onlooker.Onlooker": READERS,
    "selector.Selector": READERS,
    "deeds": {"submitter", "queen"},
    "making_way": {"submitter"},
    "schedule_store.ScheduleStore": {"submitter"},
    "budget_store.BudgetStore": {"operator"},
    "control_store.ControlStore": {"operator"},
    "limited_claiming.LimitedClaims": {"queen"},
    "submitting": {"submitter"},
    "task_store.TaskStore": {"submitter"},
    "heartbeat_store.HeartbeatStore": {"worker"},
    "worker_store.WorkerStore": {"worker"},
    "workspace_store.WorkspaceNotes": {"worker"},
    "workspace_store.WorkspaceStore": {"submitter", "worker"},
    "pruning.Pruner": {"queen"},
    "queen_store.QueenStore": {"queen"},
    "tick_store.TickStore": {"queen"},
    "delivery_store.DeliveryStore": {"queen"},
    "subscriber_store.SubscriberStore": {"submitter"},
    "webhook_reports.WebhookReports": READERS,
    "webhook_store.WebhookStore": {"owner"},
    "backing_up": {"owner"},
    "importing": {"owner"},
    "importing._Import": {"owner"},
    "rehearsal_store.RehearsalStore": {"owner"},
    "restoring": {"owner"},
}
"""Who uses each part of the store. A new part belongs in here, and what its role must be allowed
into `roles.sql`. What a part only reads, everybody may send."""

WRITES: Final = re.compile(
    r"\b(insert into|update|delete from) hive\.|for update"
    r"|(create|drop)_event_days|hive\.(park|unpark|answer|call_off)\("
    r"|hive\.(hold_parents|pause_queue|resume_queue|set_limit|remove_limit|move_tasks|lock_limits)"
    r"|hive\.(open_breaker|close_breaker|trip_breaker|close_proven_breakers)"
    r"|hive\.(set_budget|remove_budget|free_from_budgets|write_spending)\("
)


@cache
def sent() -> dict[str, set[str]]:
    """Return by statement which parts of the store send it: read from the store's own code."""
    known, found = set(names()), {name: set[str]() for name in names()}
    for file in files("hive_store").iterdir():
        if not file.name.endswith(".py"):
            continue
        module = file.name.removesuffix(".py")
        for part, node in parts(module, ast.parse(file.read_text(encoding="utf-8"))):
            for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
                for word in (a.value for a in call.args[:1] if isinstance(a, ast.Constant)):
                    if word in known:
                        found[str(word)].add(part)
    return found


def parts(module: str, tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        yield (f"{module}.{node.name}" if isinstance(node, ast.ClassDef) else module), node


def writes(name: str) -> bool:
    body = "\n".join(line for line in statement(name).splitlines() if line[:2] != "--")
    return WRITES.search(body) is not None


def senders(name: str) -> set[str]:
    """Return the roles that must be able to send a statement."""
    roles = set[str]().union(*(SENT_BY[part] for part in sent()[name]))
    return roles if writes(name) or roles <= {"owner"} else roles | READERS


@pytest_asyncio.fixture
async def roles(database_url: str) -> AsyncGenerator[Roles]:
    async with granted_roles(database_url) as found:
        yield found


@pytest_asyncio.fixture
async def owner(roles: Roles) -> AsyncGenerator[Connection]:
    """A connection that may become any role; plain, because it prepares statements itself."""
    connection = await asyncpg.connect(roles.database_url, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


async def refusal(owner: Connection, sql: str) -> str | None:
    """Return why the role that the connection is now may not send a statement; None if it may.

    Nothing is changed: Postgres asks for rights before it runs a plan, also for one to be shown.
    """
    numbers = [int(number) for number in re.findall(r"\$(\d+)::", sql)]
    nulls = ", ".join(["null"] * max(numbers, default=0))
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(f"prepare asked as {sql}")
        await owner.fetch(f"explain execute asked{f'({nulls})' if nulls else ''}")
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error)
    finally:
        await transaction.rollback()
        await owner.execute("deallocate all")
    return None


def test_every_statement_is_sent_by_a_part_of_the_store_whose_role_is_known() -> None:
    assert {name for name, parts in sent().items() if not parts} == set()
    assert {part for parts in sent().values() for part in parts} <= SENT_BY.keys()


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_send_what_its_processes_send(
    roles: Roles, owner: Connection, role: str
) -> None:
    await owner.execute(f'set role "{roles.name_of(role)}"')
    refused = {
        name: reason
        for name in names()
        if role in senders(name) and (reason := await refusal(owner, statement(name)))
    }
    assert refused == {}, f"grant {role} what it needs in roles.sql"


FORBIDDEN: Final = {
    "submitter": {
        "claim_tasks", "accept_leases", "start_tasks", "append_output", "finish_tasks",
        "succeed_tasks", "renew_leases", "release_leases", "reap_leases", "hold_term",
        "see_worker", "see_queen",
        "create_event_days", "drop_event_days", "forget_the_dead", "settle_restored_tasks",
        "add_webhook", "pause_webhook", "remove_webhook", "read_webhook_secret", "hold_webhooks",
    },
    "worker": {
        "submit_tasks", "claim_tasks", "cancel_tasks", "revive_tasks", "reap_leases", "hold_term",
        "see_queen", "create_event_days", "drop_event_days", "forget_the_dead",
        "add_webhook", "read_webhook_secret", "hold_webhooks",
    },
    "queen": {
        "submit_conditional_tasks", "put_schedule", "cancel_tasks", "revive_tasks", "finish_tasks",
        "succeed_tasks", "append_output", "see_worker", "add_webhook", "remove_webhook",
    },
    "operator": {
        "submit_conditional_tasks", "cancel_tasks", "revive_tasks", "claim_tasks", "finish_tasks",
        "succeed_tasks", "prune_tasks", "put_schedule", "add_webhook", "read_webhook_secret",
    },
    "viewer": {name for name in names() if writes(name)} | {"read_webhook_secret"},
}  # fmt: skip
"""What a role may not even ask for. That it can is not always enough to do it: see below."""


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_not_send_what_others_write(
    roles: Roles, owner: Connection, role: str
) -> None:
    await owner.execute(f'set role "{roles.name_of(role)}"')
    allowed = {name for name in FORBIDDEN[role] if await refusal(owner, statement(name)) is None}
    assert allowed == set()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "sql",
    [
        "create table hive.mine (id integer)",
        "drop table hive.task",
        "alter table hive.task disable row level security",
        "alter table hive.task add column mine text",
        "truncate hive.event",
        "delete from hive.event",
        "update hive.task set payload = '{}'",
        "update hive.event set reason = 'nothing happened'",
        "update hive.migration set number = 0",
        "create function hive.mine() returns integer language sql as 'select 1'",
        "create temporary table mine (id integer)",
        "select hive.wake_queens()",
    ],
)
async def test_no_role_alters_the_schema_or_rewrites_what_was_submitted_or_told(
    roles: Roles, owner: Connection, role: str, sql: str
) -> None:
    await owner.execute(f'set role "{roles.name_of(role)}"')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(sql)


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_deletes_a_task_that_has_not_ended(
    roles: Roles, owner: Connection, role: str
) -> None:
    waiting, ended = await a_task(owner, "queued"), await a_task(owner, "succeeded")
    await owner.execute(f'set role "{roles.name_of(role)}"')
    if role == "queen":
        await owner.execute("delete from hive.task")
    else:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute("delete from hive.task")
    await owner.execute("reset role")
    left = {row["id"] for row in await owner.fetch("select id from hive.task")}
    assert left == ({waiting} if role == "queen" else {waiting, ended})


LEASED = """
with leased as (
  insert into hive.lease (id, queen_id, queue, task_ids, open, expires_at)
  select gen_random_uuid(), gen_random_uuid(), 'default', array[$1::bigint], 1,
         now() + interval '1 h'
  returning id
)
update hive.task t set state = 'dispatched', claims = 1, lease_id = leased.id
from leased where t.id = $1::bigint
"""


async def a_task(owner: Connection, state: str) -> int:
    """Add a task that has come so far; return its id."""
    task_id: int = await owner.fetchval(
        "insert into hive.task (kind) values ('trial') returning id"
    )
    if state == "dispatched":
        await owner.execute(LEASED, task_id)
    elif state != "queued":
        await owner.execute(
            "update hive.task set state = $2::text::hive.task_state,"
            " outcome = $2::text::hive.outcome,"
            " finished_at = now(), ended_lease = gen_random_uuid(), claims = 1 where id = $1",
            task_id,
            state,
        )
    return task_id


FORGERIES: Final = {
    "a submitter ends a task well": (
        "submitter", "queued", "state = 'succeeded', finished_at = now(), outcome = 'succeeded'",
    ),
    "a submitter fails a task": (
        "submitter", "queued", "state = 'failed', finished_at = now(), outcome = 'failed'",
    ),
    "a submitter gives a waiting task a result": ("submitter", "queued", "result = '1'"),
    "a submitter calls a cancelled task well ended": (
        "submitter", "cancelled", "outcome = 'succeeded'",
    ),
    "a submitter ends a leased task": ("submitter", "dispatched", "error = 'never mind'"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_end_is_refused(roles: Roles, owner: Connection, forgery: str) -> None:
    role, state, change = FORGERIES[forgery]
    task_id = await a_task(owner, state)
    await owner.execute(f'set role "{roles.name_of(role)}"')
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await owner.execute(f"update hive.task set {change} where id = {task_id}")


UNTOUCHED: Final = {
    "a submitter does not run a task again that succeeded": (
        "submitter", "succeeded", "state = 'queued', finished_at = null",
    ),
    "a worker does not end a task that nobody has leased": (
        "worker", "queued", "state = 'succeeded', finished_at = now(), outcome = 'succeeded'",
    ),
    "a worker does not change a result that is written": (
        "worker", "succeeded", "result = '\"another\"'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNTOUCHED)
async def test_a_row_out_of_reach_is_not_there_to_be_changed(
    roles: Roles, owner: Connection, case: str
) -> None:
    role, state, change = UNTOUCHED[case]
    task_id = await a_task(owner, state)
    await owner.execute(f'set role "{roles.name_of(role)}"')
    assert await owner.execute(f"update hive.task set {change} where id = {task_id}") == "UPDATE 0"


async def test_a_submitter_cannot_bring_a_task_into_the_world_with_a_lease_or_a_result(
    roles: Roles, owner: Connection
) -> None:
    await owner.execute(f'set role "{roles.name_of("submitter")}"')
    for column, value in (("lease_id", "gen_random_uuid()"), ("result", "'1'"), ("claims", "9")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(f"insert into hive.task (kind, {column}) values ('trial', {value})")


@pytest.mark.parametrize("role", ["submitter", "queen"])
async def test_who_adds_tasks_with_conditions_or_of_schedules_may_take_their_ids(
    roles: Roles, owner: Connection, role: str
) -> None:
    await owner.execute(f'set role "{roles.name_of(role)}"')
    assert await owner.fetchval("select nextval('hive.task_id_seq')") > 0


async def test_a_stranger_of_the_server_comes_neither_into_the_database_nor_the_schema(
    roles: Roles, owner: Connection
) -> None:
    stranger = f"{roles.prefix}_stranger"
    await owner.execute(f'create role "{stranger}"')
    try:
        [rights] = await owner.fetch(
            "select has_database_privilege($1, current_database(), 'connect') as may_connect,"
            " has_schema_privilege($1, 'hive', 'usage') as may_use",
            stranger,
        )
        assert not any(rights)
    finally:
        await owner.execute(f'drop role "{stranger}"')


async def test_queens_make_and_drop_days_of_the_log_without_owning_it(
    roles: Roles, owner: Connection
) -> None:
    # What is copied for the test may be of yesterday.
    await owner.execute("select hive.create_event_days(3)")
    await owner.execute(f'set role "{roles.name_of("queen")}"')
    assert await owner.fetchval(statement("create_event_days"), 5) == 2
    assert await owner.fetchval(statement("drop_event_days"), 7) == 0


async def test_what_signs_deliveries_is_read_by_queens_alone(
    roles: Roles, owner: Connection
) -> None:
    for role in ROLES:
        await owner.execute(f'set role "{roles.name_of(role)}"')
        if role == "queen":
            assert await owner.fetch("select secret from hive.webhook_secret") == []
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await owner.fetch("select secret from hive.webhook_secret")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute("update hive.webhook set url = 'http://10.0.0.1/'")
        await owner.execute("reset role")


async def test_the_secrets_table_comes_with_an_upgrade_without_being_readable(
    roles: Roles, owner: Connection
) -> None:
    """Roles that were made before it may read tables to come; this one none of them may."""
    await owner.execute(
        "drop table hive.webhook_delivery, hive.webhook_secret, hive.webhook, hive.subscriber,"
        " hive.event_horizon"
    )
    [migration] = [
        file
        for file in (files("hive_store") / "migrations").iterdir()
        if file.name.endswith("_event_readers.sql")
    ]
    await owner.execute(migration.read_text(encoding="utf-8"))
    for role in ROLES:
        await owner.execute(f'set role "{roles.name_of(role)}"')
        assert await owner.fetch("select id from hive.webhook") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.fetch("select secret from hive.webhook_secret")
        await owner.execute("reset role")


async def test_queens_claim_under_limits_that_operators_set(
    roles: Roles, owner: Connection
) -> None:
    first, second = await a_task(owner, "queued"), await a_task(owner, "queued")
    await owner.execute(f'set role "{roles.name_of("operator")}"')
    await owner.execute("select hive.set_limit('kind', 'trial', 1, 5)")
    await owner.execute("reset role")
    await owner.execute(f'set role "{roles.name_of("queen")}"')
    row = await owner.fetchrow(
        statement("claim_limited_tasks"), uuid4(), "default", 10, 60.0, 10, 1,
        [-1], [datetime(2000, 1, 1, tzinfo=UTC)], [0], [9], "", 10,
    )  # fmt: skip
    assert row is not None
    assert (row["size"], row["held_up"]) == (1, 1)
    await owner.execute("reset role")
    await owner.execute(f'set role "{roles.name_of("operator")}"')
    assert await owner.fetchval("select hive.remove_limit('kind', 'trial')")
    assert await owner.fetchval(statement("free_held_up_tasks"), 10) == 1
    moved = await owner.fetch("select hive.move_tasks($1, 'slow')", [first, second])
    assert [tuple(row) for row in moved] == [(second,)]
    await owner.execute("reset role")
    actors = await owner.fetch("select distinct actor from hive.audit")
    assert [row["actor"] for row in actors] == [await owner.fetchval("select session_user::text")]


@pytest.mark.parametrize("role", ROLES)
async def test_submitters_alone_call_tasks_off_by_plain_sql(
    roles: Roles, owner: Connection, role: str
) -> None:
    waiting, leased = await a_task(owner, "queued"), await a_task(owner, "dispatched")
    await owner.execute(f'set role "{roles.name_of(role)}"')
    asked = "select * from hive.cancel($1, 'a typo')"
    if role == "submitter":
        rows = await owner.fetch(asked, [waiting, leased])
        assert [tuple(row) for row in rows] == [(waiting, "cancelled"), (leased, "dispatched")]
    else:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.fetch(asked, [waiting, leased])


async def test_queens_submit_what_submitters_say_of_the_tasks_of_schedules(
    roles: Roles, owner: Connection
) -> None:
    await owner.execute(f'set role "{roles.name_of("submitter")}"')
    schedule_id = await owner.fetchval(
        "insert into hive.schedule (name, kind, every, key, needs, breaker, retry, silence_timeout,"
        " expires_in) values ('pulse', 'trial', '1 h', 'door', 'gpu', 'shop', 'fixed(1s)', '1 s',"
        " '1 h') returning id"
    )
    await owner.execute("reset role")
    await owner.execute(f'set role "{roles.name_of("queen")}"')
    now = datetime.now(UTC)
    rows = await owner.fetch(
        statement("submit_ticks"), [schedule_id], [0], [None], [now], [0], [None], [None], [None],
        [schedule_id], [now], ["now"],
    )  # fmt: skip
    assert {row["outcome"] for row in rows} == {"submitted", "advanced"}
    task = await owner.fetchrow("select state::text, key, needs from hive.task")
    assert task is not None
    assert tuple(task) == ("blocked", "door", "gpu")
    assert await owner.fetchval("select key from hive.key_wake") == "door"


async def test_submitters_park_what_was_tried_before_and_nothing_that_is_held_or_over(
    roles: Roles, owner: Connection
) -> None:
    tried = await a_task(owner, "queued")
    await owner.execute("update hive.task set result = '1' where id = $1", tried)
    asked = [tried, await a_task(owner, "dispatched"), await a_task(owner, "succeeded")]
    await owner.execute(f'set role "{roles.name_of("submitter")}"')
    parked = await owner.fetch(statement("park_tasks"), asked, None, None, None, None)
    assert [row["id"] for row in parked] == [tried]
    freed = await owner.fetch(statement("unpark_tasks"), asked, None, None)
    assert [tuple(row) for row in freed] == [(tried, "queued")]
    await owner.execute("reset role")
    deeds = await owner.fetch("select distinct what, actor from hive.audit order by what")
    user = await owner.fetchval("select session_user::text")
    assert [tuple(row) for row in deeds] == [("park", user), ("unpark", user)]


async def test_submitters_answer_what_was_tried_before_and_operators_do_not(
    roles: Roles, owner: Connection
) -> None:
    asking = await a_task(owner, "queued")
    await owner.execute(
        "update hive.task set state = 'blocked', result = '1', asked_at = now() where id = $1",
        asking,
    )
    await owner.execute(
        "insert into hive.question (task_id, number, question) values ($1, 1, '?')", asking
    )
    await owner.execute(f'set role "{roles.name_of("operator")}"')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.fetch(statement("answer_task"), asking, "yes", None, None)
    await owner.execute("reset role")
    await owner.execute(f'set role "{roles.name_of("submitter")}"')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute("update hive.question set answer = 'forged'")
    [row] = await owner.fetch(statement("answer_task"), asking, "yes", None, None)
    assert row["answer"] == "queued"


async def test_workers_write_what_is_spent_under_their_leases(
    roles: Roles, owner: Connection
) -> None:
    held = await a_task(owner, "dispatched")
    lease_id = await owner.fetchval("select lease_id from hive.task where id = $1", held)
    await owner.execute(f'set role "{roles.name_of("worker")}"')
    for spent in (10, 30):
        rows = await owner.fetch(
            statement("write_spending"), [held], [lease_id], [spent], [None], [None], [1]
        )
        assert [row["id"] for row in rows] == [held]
    assert await owner.fetchval("select microdollars from hive.spent") == 30


async def test_the_roles_may_be_sent_again_and_take_back_what_was_granted_beside_them(
    roles: Roles, owner: Connection
) -> None:
    viewer = roles.name_of("viewer")
    await owner.execute(f'grant delete on hive.task to "{viewer}"')
    send_roles(roles.database_url, roles.prefix)
    await owner.execute(f'set role "{viewer}"')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute("delete from hive.task")


async def test_a_table_of_a_later_schema_can_be_read_at_once_and_only_read(
    roles: Roles, owner: Connection
) -> None:
    await owner.execute("create table hive.later (id integer)")
    for role in ROLES:
        await owner.execute(f'set role "{roles.name_of(role)}"')
        assert await owner.fetch("select from hive.later") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute("insert into hive.later values (1)")
        await owner.execute("reset role")


HOT: Final = {
    "queen": ("claim_tasks", "reap_leases", "release_due_tasks"),
    "worker": ("accept_leases", "start_tasks", "finish_tasks", "succeed_tasks", "append_output"),
}


@pytest.mark.parametrize("role", HOT)
async def test_a_hot_statement_has_the_same_plan_for_its_role_as_for_the_owner(
    roles: Roles, owner: Connection, role: str
) -> None:
    for name in HOT[role]:
        await owner.execute("reset role")
        plan = await nodes(owner, name)
        await owner.execute(f'set role "{roles.name_of(role)}"')
        assert await nodes(owner, name) == plan, name


async def nodes(owner: Connection, name: str) -> list[str]:
    """Return what the plan of a statement does, without its conditions and keys.

    These name types, with their schema where it is not the role's own.
    """
    count = max(int(number) for number in re.findall(r"\$(\d+)::", statement(name)))
    await owner.execute(f"prepare planned as {statement(name)}")
    await owner.execute("set plan_cache_mode = force_generic_plan; set enable_seqscan = off")
    nulls = ", ".join(["null"] * count)
    rows: list[Any] = await owner.fetch(f"explain (costs off) execute planned({nulls})")
    await owner.execute("deallocate all")
    lines = [str(row[0]) for row in rows]
    return [line for line in lines if not re.search(r"(Filter|Cond|Key):", line)]

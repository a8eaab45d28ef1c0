"""`hive events`: the log as it is, each event once, whatever happens meanwhile."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pexpect
import pytest

from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask
from hive_store import TaskStore, migrate, open_line
from hive_testkit.console import LONGEST_SECONDS, Console
from hive_testkit.desk import Desk
from hive_testkit.ground import Ground
from hive_testkit.plugin import OwnServer

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (\S+) +(\S.*)")


def lines(desk: Desk, *words: str) -> list[tuple[str, str]]:
    """What `hive events` prints: each event's type, and the rest of its line."""
    done = desk("events", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    return [(one[1], one[2]) for one in found if one is not None]


def objects(desk: Desk, *words: str) -> list[dict[str, Any]]:
    done = desk("events", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_last_events_are_shown_oldest_first_and_lists_are_short(desk: Desk) -> None:
    [first] = desk.submit()
    many = desk.submit(30)
    desk("cancel", str(first))
    assert lines(desk) == [
        ("queued", f"task {first}"),
        ("queued", f"30 tasks: {many[0]}, {many[1]}, {many[2]} and 27 more"),
        ("cancelled", f"task {first}"),
    ]
    assert [kind for kind, _ in lines(desk, "--limit", "1")] == ["cancelled"]


@pytest.mark.usefixtures("eighty_columns")
def test_a_line_fits_into_80_columns_and_json_has_all(desk: Desk) -> None:
    reason = "no\nroom " * 30
    desk.sql(
        "insert into hive.event (type, task_id, attempt, reason) values ('failed', 7, 2, $1)",
        reason,
    )
    [(kind, rest)] = lines(desk)
    assert (kind, rest[:35]) == ("failed", "task 7, attempt 2: no room no room ")
    assert len(desk("events").stdout.rstrip("\n")) == 80
    [found] = objects(desk)
    assert found["reason"] == reason
    assert (found["task_ids"], found["attempt"]) == ([7], 2)


def test_a_program_goes_on_behind_the_last_cursor_it_has_seen(desk: Desk) -> None:
    task_ids = [desk.submit()[0] for _ in range(5)]
    whole = objects(desk, "--cursor", "0:0")
    assert [event["task_ids"] for event in whole] == [[task_id] for task_id in task_ids]
    assert objects(desk, "--cursor", whole[2]["cursor"]) == whole[3:]
    assert objects(desk, "--cursor", whole[-1]["cursor"]) == []


def test_events_are_chosen_by_type_task_group_and_time(desk: Desk) -> None:
    one, two = desk.submit(2, group="g")
    [other] = desk.submit()
    desk("cancel", str(one), str(other))
    assert [kind for kind, _ in lines(desk, "--task", str(one))] == ["queued", "cancelled"]
    assert [kind for kind, _ in lines(desk, "--task", str(two))] == ["queued"]
    assert [kind for kind, _ in lines(desk, "--group", "g")] == ["queued", "cancelled"]
    assert lines(desk, "--type", "cancelled,failed", "--group", "g") == [
        ("cancelled", f"task {one}")
    ]
    assert lines(desk, "--group", "nobody") == []
    desk.sql("update hive.event set at = at - interval '2 hours' where type = 'queued'")
    assert {kind for kind, _ in lines(desk, "--since", "1h")} == {"cancelled"}
    assert len(lines(desk, "--since", "3h")) == 4
    assert lines(desk, "--since", "2999-01-01") == []
    assert {kind for kind, _ in lines(desk, "--until", "1h")} == {"queued"}
    assert lines(desk, "--since", "1h", "--until", "1h") == []
    assert {kind for kind, _ in lines(desk, "--since", "3h", "--until", "1h")} == {"queued"}


def test_events_are_chosen_by_what_only_the_task_knows_and_lists_are_cut_down(desk: Desk) -> None:
    async def submit(ground: Ground) -> list[TaskId]:
        return await ground.tasks.submit(
            [NewTask(kind="a", queue="x"), NewTask(kind="b", queue="x"), NewTask(kind="b")]
        )

    first, second, third = desk.do(submit)
    for words, wanted in (
        (["--queue", "x"], [first, second]),
        (["--kind", "b"], [second, third]),
        (["--queue", "x", "--kind", "b"], [second]),
        (["--task", str(third)], [third]),
    ):
        assert [event["task_ids"] for event in objects(desk, *words)] == [wanted]
    assert objects(desk, "--queue", "y") == []


def test_the_cursor_at_the_end_is_printed_also_if_nothing_was_wanted(desk: Desk) -> None:
    desk.submit()
    [last] = objects(desk, "--since", "1h", "--type", "failed", "--show-cursor")
    assert objects(desk, "--cursor", last["cursor"]) == []
    done = desk("events", "--cursor", last["cursor"], "--show-cursor")
    assert done.stdout == f"-- cursor: {last['cursor']}\n"
    [task_id] = desk.submit()
    assert lines(desk, "--cursor", last["cursor"]) == [("queued", f"task {task_id}")]


def test_a_cursor_whose_day_was_dropped_is_told_with_what_is_lost(desk: Desk) -> None:
    desk.sql(
        "create table hive.event_20200101 partition of hive.event"
        " for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00')"
    )
    for hour in (10, 11):
        desk.sql(
            "insert into hive.event (type, task_id, at) values"
            f" ('started', 1, '2020-01-01 {hour}:00+00')"
        )
    first, second = (event["cursor"] for event in objects(desk, "--cursor", "0:0"))
    [task_id] = desk.submit()
    desk.sql("select hive.drop_event_days(7)")
    done = desk("events", "--cursor", first)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"all that came behind cursor {first}: events up to 2020-01-01 11:00:00" in done.stderr
    assert f"nothing is missing from cursor {second} on" in done.stderr
    for cursor in (second, "0:0"):
        assert lines(desk, "--cursor", cursor) == [("queued", f"task {task_id}")]


def test_a_time_before_what_is_kept_is_told_and_what_is_left_is_shown(desk: Desk) -> None:
    [task_id] = desk.submit()
    desk.sql(
        "insert into hive.event_horizon (xid, id, at)"
        " values ('1', 0, clock_timestamp() - interval '7 days')"
    )
    assert lines(desk, "--since", "2h") == [("queued", f"task {task_id}")]
    done = desk("events", "--since", "8d")
    assert f"task {task_id}" in done.stdout
    assert "were dropped (queen.event_days says for how long they are kept)" in done.stderr


def test_a_task_that_retention_has_deleted_is_known_while_the_log_tells_of_it(desk: Desk) -> None:
    [task_id] = desk.submit()
    desk("cancel", str(task_id))
    desk.sql("delete from hive.task")
    told = lines(desk, "--task", str(task_id), "--since", "1h")
    assert told == [("queued", f"task {task_id}"), ("cancelled", f"task {task_id}")]
    assert lines(desk, "--task", str(task_id)) == told[1:]
    assert f"there is no task {task_id + 1}" in desk("events", "--task", str(task_id + 1)).stderr


def test_a_cursor_of_another_log_is_told(desk: Desk) -> None:
    done = desk("events", "--cursor", f"{2**62}:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "lies ahead of this event log" in done.stderr


def test_a_log_of_many_pages_is_printed_whole_and_searched_backwards(desk: Desk) -> None:
    desk.sql("insert into hive.event (type, task_id) values ('lost', 1)")
    desk.sql(
        "insert into hive.event (type, task_id) select 'started', g from generate_series(1, 2500) g"
    )
    assert len(objects(desk, "--cursor", "0:0")) == 2501
    assert [event["type"] for event in objects(desk, "--type", "lost")] == ["lost"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "yesterday"], "--since is 'yesterday'; write how long ago"),
        (["--cursor", "7/1"], "--cursor is '7/1'; write XID:ID"),
        (["--cursor", f"{2**63}:1"], "; write XID:ID"),
        (["--cursor", "0:0", "--since", "1h"], "--since and --cursor both say where to begin"),
        (["-f", "--until", "1h"], "--follow goes on for ever"),
        (["-f", "--show-cursor"], "with --json each line has one"),
        (["--type", "faild"], "'faild' is no type of event; did you mean failed?; types: queued, "),
        (["--task", "999999999"], "there is no task 999999999"),
        (["--task", str(2**64)], f"there is no task {2**64}"),
    ],
)
def test_what_cannot_be_meant_is_told(desk: Desk, words: list[str], message: str) -> None:
    done = desk("events", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@contextmanager
def followed(console: Console, *words: str) -> Generator["subprocess.Popen[bytes]"]:
    """A `hive events -f --json`, ended afterwards."""
    with console.start(
        "events", "-f", "--json", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def next_event(process: "subprocess.Popen[bytes]") -> tuple[str, list[int]]:
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    return event["type"], event["task_ids"]


def test_followed_the_past_and_the_present_join_without_a_seam(desk: Desk) -> None:
    [old] = desk.submit()
    with followed(desk.console) as process:
        assert next_event(process) == ("queued", [old])
        for _ in range(3):
            [new] = desk.submit()
            assert next_event(process) == ("queued", [new])


def test_followed_without_a_redis_the_log_is_looked_at(desk: Desk) -> None:
    alone = Console(desk.data_dir, {"HIVE_DATABASE_URL": desk.database_url})
    with followed(alone, "--cursor", "0:0") as process:
        for _ in range(2):
            [task_id] = desk.submit()
            assert next_event(process) == ("queued", [task_id])


def test_followed_only_what_is_wanted_is_shown(desk: Desk) -> None:
    mine, other = desk.submit(2)
    with followed(desk.console, "--task", str(mine)) as process:
        assert next_event(process) == ("queued", [mine])
        desk("cancel", str(other))
        desk("cancel", str(mine))
        assert next_event(process) == ("cancelled", [mine])


def test_an_open_transaction_that_holds_the_log_back_is_named_until_it_ends(desk: Desk) -> None:
    async def hold() -> Any:
        connection: Any = await asyncpg.connect(desk.database_url)
        await connection.execute("begin; select pg_current_xact_id()")
        return connection

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        holder = runner.run(hold())
        with followed(desk.console) as process:
            [task_id] = desk.submit()
            assert process.stderr is not None
            told = process.stderr.readline().decode()
            assert f"hive: process {holder.get_server_pid()} of Postgres (unnamed, user" in told
            assert re.search(r"has had a transaction open for \S+ s; newer events are shown", told)
            runner.run(holder.close())
            assert next_event(process) == ("queued", [task_id])
            assert process.stderr.readline() == b"hive: the event log goes on\n"


async def test_followed_nothing_is_missed_over_restarts_of_redis_and_postgres(
    own_postgres: OwnServer, own_redis: OwnServer, tmp_path: Path
) -> None:
    await migrate(own_postgres.url)
    urls = {"HIVE_DATABASE_URL": own_postgres.url, "HIVE_REDIS_URL": own_redis.url}

    async def submit() -> list[TaskId]:
        async with open_line(own_postgres.url) as line:
            return await TaskStore(line).submit([NewTask(kind="trial")])

    with followed(Console(tmp_path, urls), "--cursor", "0:0") as process:
        first = await submit()
        assert next_event(process) == ("queued", first)
        assert process.stderr is not None
        await own_redis.kill()
        assert b"Redis" in process.stderr.readline()
        second = await submit()
        assert next_event(process) == ("queued", second)
        await own_postgres.kill()
        assert b"; still trying\n" in process.stderr.readline()
        await own_redis.start()
        await own_postgres.start()
        told = {process.stderr.readline() for _ in range(2)}
        assert told == {b"hive: Postgres is back\n", b"hive: Redis is back\n"}
        for _ in range(2):
            task_ids = await submit()
            assert next_event(process) == ("queued", task_ids)
        process.terminate()
        assert process.stderr.read() == b""


def test_on_a_terminal_ctrl_c_ends_it_and_says_how_to_go_on(desk: Desk) -> None:
    desk.submit(30)
    terminal = desk.console.on_terminal(["events", "-f"])
    terminal.expect(r"queued +30 tasks: \d+, \d+, \d+ and 27 more")
    assert len(terminal.before) + len(terminal.after) <= 80
    [new] = desk.submit()
    terminal.expect(rf"queued +task {new}\b")
    terminal.sendintr()
    terminal.expect(r"to go on from here, add --cursor (\d+:\d+)")
    cursor = terminal.match[1]
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    [later] = desk.submit()
    assert lines(desk, "--cursor", cursor) == [("queued", f"task {later}")]


def test_a_reader_that_leaves_ends_it_quietly(desk: Desk) -> None:
    desk.submit()
    with followed(desk.console) as process:
        assert process.stdout is not None
        next_event(process)
        process.stdout.close()
        desk.submit()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(LONGEST_SECONDS) == -signal.SIGPIPE


async def test_a_redis_that_is_away_from_the_beginning_is_told_of_once_and_when_it_is_back(
    desk: Desk, own_redis: OwnServer
) -> None:
    await own_redis.kill()
    urls = {"HIVE_DATABASE_URL": desk.database_url, "HIVE_REDIS_URL": own_redis.url}
    with followed(Console(desk.data_dir, urls)) as process:
        assert process.stderr is not None
        assert b"; news is found by looking, a little later\n" in process.stderr.readline()
        await own_redis.start()
        assert process.stderr.readline() == b"hive: Redis is back\n"

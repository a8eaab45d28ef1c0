"""`hive submit --jsonl`: which lines go in, which do not, and how to go on."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive.submitting.lines import CHUNK_LINES
from hive_store import migrate
from hive_testkit.console import Console
from hive_testkit.desk import Desk
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

GOOD: dict[str, Any] = {"kind": "command", "payload": {"argv": ["true"]}}


def lines_of(*tasks: object) -> str:
    return "".join(f"{task if isinstance(task, str) else json.dumps(task)}\n" for task in tasks)


def written(folder: Path, *tasks: object) -> str:
    path = folder / "tasks.jsonl"
    path.write_text(lines_of(*tasks), encoding="utf-8")
    return str(path)


def numbered(count: int) -> list[dict[str, Any]]:
    """Tasks that say which line they come from."""
    return [{"payload": {"argv": ["echo", str(n)]}} for n in range(1, count + 1)]


async def ending(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """What a process says until it ends, while its standard input stays open."""
    assert process.stdout is not None
    assert process.stderr is not None
    told = await asyncio.to_thread(process.stderr.read)
    return process.stdout.read(), told


async def stored(database_url: str) -> list[int]:
    async with connected(database_url) as database:
        rows = await database.fetch("select payload->'argv'->>1 as n from hive.task order by id")
    return [int(row["n"]) for row in rows]


async def has_stored(database_url: str, count: int) -> bool:
    return len(await stored(database_url)) >= count


async def somebody_waits(database_url: str) -> bool:
    """Whether some connection waits for a lock."""
    async with connected(database_url) as database:
        return bool(
            await database.fetchval(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock'"
            )
        )


@asynccontextmanager
async def connected(database_url: str) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def fed(console: Console, *words: str) -> Generator["subprocess.Popen[bytes]"]:
    """A `hive` whose standard input the test writes; ended afterwards, whatever happened."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with console.start(*words, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def feed(process: "subprocess.Popen[bytes]", tasks: Iterable[object]) -> None:
    assert process.stdin is not None
    process.stdin.write(lines_of(*tasks).encode())
    process.stdin.flush()


def test_every_field_of_a_line_is_stored_and_options_stand_in_for_what_it_leaves_out(
    desk: Desk, tmp_path: Path
) -> None:
    full = {
        **GOOD,
        "queue": "a",
        "priority": 3,
        "run_at": "2100-01-01T00:00+00:00",
        "max_attempts": 4,
        "max_losses": 5,
        "timeout": "90s",
        "silence_timeout": "30s",
        "group": "own",
    }
    short = {"payload": {"argv": ["false"]}, "queue": None, "no_rerun": True}
    path = written(tmp_path, full, "", short)
    options = ["--queue", "b", "--timeout", "10m", "--group", "g", "--max-losses", "9"]
    done = desk("submit", "command", "--jsonl", path, "--delay", "1h", *options)
    assert (done.returncode, done.stdout) == (0, "g\n")
    one, two = desk.sql("select *, extract(epoch from timeout) s from hive.task order by id")
    assert (one["queue"], one["priority"], one["group_name"]) == ("a", 3, "own")
    assert (one["max_attempts"], one["max_losses"], one["s"]) == (4, 5, 90)
    assert one["run_at"].year == 2100
    assert (two["kind"], two["queue"], two["group_name"]) == ("command", "b", "g")
    assert (two["max_losses"], two["s"], two["state"]) == (0, 600, "scheduled")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"kind": "command",, }', "line 2, column 20: it is not JSON: Expecting property name"),
        ("[1]", "line 2: it is no JSON object"),
        ({"payload": {}}, 'line 2: it has no "kind", and no KIND is given'),
        ({**GOOD, "prioritty": 1}, "a task has no field 'prioritty'; did you mean priority?"),
        ({**GOOD, "zzz": 1}, "no field 'zzz'; fields: kind, payload, queue"),
        ({**GOOD, "priority": "1"}, 'priority is "1"; it must be a whole number'),
        ({**GOOD, "priority": True}, "priority is true; it must be a whole number"),
        ({**GOOD, "priority": -1}, "a priority is from 0"),
        ({**GOOD, "timeout": 10}, "timeout is 10; it must be a duration, as in 10m"),
        ({**GOOD, "timeout": "10min"}, "'10min'; write it like 30s"),
        ({**GOOD, "delay": "1h", "run_at": "2100-01-01"}, "give one of them"),
        ({**GOOD, "payload": {"argv": ["x"], "cwdd": "/"}}, "it has no field 'cwdd'"),
        ({"kind": "sing"}, "no executor for kind 'sing'; installed: "),
        ({**GOOD, "payload": {"argv": ["x" * (1 << 20)]}}, "at most 1,048,576 (1 MiB)"),
        ("[" * 100_000, "line 2: it is nested too deeply"),
        ('{"kind": "call", "kind": "command"}', "an object names 'kind' twice"),
    ],
)
def test_a_line_that_is_no_task_is_named_with_the_reason_and_lets_nothing_in(
    desk: Desk, tmp_path: Path, line: object, complaint: str
) -> None:
    done = desk("submit", "--jsonl", written(tmp_path, GOOD, line))
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was submitted, because a line is refused:\n  line 2" in done.stderr
    assert complaint in done.stderr
    assert desk.sql("select 1 from hive.task") == []


def test_of_many_bad_lines_the_first_ten_are_told_and_how_many_there_are(
    desk: Desk, tmp_path: Path
) -> None:
    tasks: list[object] = [GOOD] * 10_000
    tasks[6] = "{"
    for place in range(100, 10_000, 100):
        tasks[place] = {**GOOD, "colour": "red"}
    done = desk("submit", "--jsonl", written(tmp_path, *tasks))
    assert done.returncode == 2
    assert "because 100 lines are refused:\n  line 7, column 2: it is not JSON" in done.stderr
    assert done.stderr.count("\n  line ") == 10
    assert done.stderr.endswith("  and 90 more\n")
    assert desk.sql("select 1 from hive.task") == []


def test_what_is_not_utf_8_or_too_long_to_be_a_line_is_refused_with_its_place(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'{"kind":"\xff"}\n' + b"x" * (9 << 20))
    done = desk("submit", "--jsonl", str(path))
    assert "line 1, column 10: it is not UTF-8" in done.stderr
    assert "line 2: it has more than 8,388,608 bytes" in done.stderr


def test_a_dry_run_submits_nothing(desk: Desk, tmp_path: Path) -> None:
    done = desk("submit", "--jsonl", written(tmp_path, GOOD, GOOD), "--dry-run")
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 tasks, nothing wrong; none is submitted" in done.stderr
    assert desk.sql("select 1 from hive.task") == []


def test_the_group_is_the_data_unless_ids_or_json_are_asked_for(desk: Desk, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, GOOD)
    plain = desk("submit", "--jsonl", path)
    assert re.fullmatch(r"bulk-\d{8}-[0-9a-f]{6}\n", plain.stdout)
    assert f"`hive map --reattach {plain.stdout.strip()}`" in plain.stderr
    ids = desk("submit", "--jsonl", path, "--ids", "--group", "g")
    rows = desk.sql("select id from hive.task where group_name = 'g' order by id")
    assert ids.stdout.split() == [str(row["id"]) for row in rows]
    told = json.loads(desk("submit", "--jsonl", path, "--json", "--group", "h").stdout)
    assert told == {"group": "h", "accepted": 2, "last_line": 2}


def test_a_file_without_tasks_is_nothing_to_do(desk: Desk, tmp_path: Path) -> None:
    done = desk("submit", "--jsonl", written(tmp_path, "", "  "))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("has no tasks; nothing to do\n")


def test_a_kind_that_is_not_installed_can_be_forced_and_is_told_once(
    desk: Desk, tmp_path: Path
) -> None:
    done = desk("submit", "sing", "--jsonl", written(tmp_path, {}, {}), "--force")
    assert done.returncode == 0
    assert done.stderr.count("it is queued for machines that have it") == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "say what to submit: a command behind --"),
        (("command", "--ids"), "are for many tasks: add --jsonl"),
        (("--jsonl", "-", "--payload", "-"), "cannot both be read from standard input"),
        (("--jsonl", "/dev/null", "--wait"), "wait for a group with `hive map --reattach GROUP`"),
        (("--jsonl", "/dev/null", "--from-line", "0"), "--from-line is 0"),
        (("--jsonl", "/dev/null", "--timeout", "5min"), "--timeout is '5min'"),
        (("--jsonl", "/dev/null", "--ids", "--json"), "two ways to print"),
        (("--jsonl", "/no/such/file"), "/no/such/file cannot be read: No such file"),
        (("--jsonl", "/"), "/ cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    desk: Desk, words: tuple[str, ...], complaint: str
) -> None:
    done = desk("submit", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


async def test_a_stream_keeps_what_is_before_a_bad_line_and_tells_how_to_go_on(
    database_url: str, tmp_path: Path
) -> None:
    console = Console(tmp_path, {"HIVE_DATABASE_URL": database_url})
    tasks: list[object] = [*numbered(CHUNK_LINES * 5 // 2)]
    bad = CHUNK_LINES * 3 // 2
    broken = [*tasks[: bad - 1], "{", *tasks[bad:]]
    first = console("submit", "command", "--jsonl", "-", stdin=lines_of(*broken).encode())
    assert first.returncode == 2
    group = first.stdout.strip()
    assert f"hive: line {bad:,}, column 2: it is not JSON" in first.stderr
    assert f"all up to line {bad - 1:,}, none after it" in first.stderr
    again = f"hive submit command --jsonl - --group {group} --from-line {bad}\n"
    assert first.stderr.endswith(again)
    assert await stored(database_url) == [*range(1, bad)]
    rest = console(*again.split()[1:], stdin=lines_of(*tasks).encode())
    assert (rest.returncode, rest.stdout) == (0, f"{group}\n")
    assert await stored(database_url) == [*range(1, len(tasks) + 1)]


async def test_a_stream_that_is_slow_is_taken_in_as_it_comes_and_ctrl_c_tells_what_is_in(
    database_url: str, tmp_path: Path
) -> None:
    console = Console(tmp_path, {"HIVE_DATABASE_URL": database_url})
    with fed(console, "submit", "command", "--jsonl", "-", "--group", "g") as process:
        feed(process, numbered(1))
        await until(lambda: has_stored(database_url, 1))
        feed(process, numbered(3)[1:])
        await until(lambda: has_stored(database_url, 3))
        process.send_signal(signal.SIGINT)
        out, told = await ending(process)
        assert (process.wait(20), out) == (130, b"g\n")
    assert b"hive: interrupted; 3 tasks are in, group g: all up to line 3, none after it" in told
    assert told.endswith(b"hive submit command --jsonl - --group g --from-line 4\n")


async def test_of_a_file_that_changes_nothing_goes_in_that_was_not_looked_over(
    database_url: str, tmp_path: Path
) -> None:
    tasks = [{**task, "queue": "q" * 199} for task in numbered(6 * CHUNK_LINES)]
    path = Path(written(tmp_path, *tasks))
    console = Console(tmp_path, {"HIVE_DATABASE_URL": database_url})
    async with connected(database_url) as database:
        with fed(console, "submit", "command", "--jsonl", str(path)) as process:
            async with database.transaction():
                # It has looked at the whole file once it waits for this.
                await database.execute("lock table hive.task in share mode")
                await until(lambda: somebody_waits(database_url), within_seconds=30)
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace('"5500"', '"9999"'), encoding="utf-8")
            out, told = await ending(process)
            assert process.wait(20) == 2
    assert b"has changed since it was looked over; nothing more of it goes in; 5,000" in told
    assert b"--from-line 5001" in told
    assert out.startswith(b"bulk-")
    assert await stored(database_url) == [*range(1, 5 * CHUNK_LINES + 1)]


async def test_a_postgres_that_is_killed_meanwhile_costs_no_task_and_doubles_none(
    own_postgres: OwnServer, tmp_path: Path
) -> None:
    await migrate(own_postgres.url)
    console = Console(tmp_path, {"HIVE_DATABASE_URL": own_postgres.url})
    with fed(console, "submit", "command", "--jsonl", "-", "--json") as process:
        async with asyncio.TaskGroup() as group:
            # More than the pipe holds: it can only be written while somebody reads.
            group.create_task(asyncio.to_thread(feed, process, numbered(20_000)))
            await until(lambda: has_stored(own_postgres.url, 1000), within_seconds=30)
            await own_postgres.kill()
            assert process.stderr is not None
            line = await asyncio.to_thread(process.stderr.readline)
            assert b"still trying, for 30 s" in line
            await own_postgres.start()
        out, told = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0
    assert b"hive: Postgres is back" in told
    assert json.loads(out)["accepted"] == 20_000
    assert await stored(own_postgres.url) == [*range(1, 20_001)]


async def test_ctrl_c_while_postgres_is_away_tells_what_is_in_and_what_nobody_knows(
    own_postgres: OwnServer, tmp_path: Path
) -> None:
    await migrate(own_postgres.url)
    console = Console(tmp_path, {"HIVE_DATABASE_URL": own_postgres.url})
    with fed(console, "submit", "command", "--jsonl", "-", "--group", "g") as process:
        feed(process, numbered(10))
        await until(lambda: has_stored(own_postgres.url, 10), within_seconds=30)
        await own_postgres.kill()
        feed(process, numbered(15)[10:])
        assert process.stderr is not None
        assert b"still trying" in await asyncio.to_thread(process.stderr.readline)
        process.send_signal(signal.SIGINT)
        out, told = await ending(process)
        assert (process.wait(20), out) == (130, b"g\n")
    assert b"10 tasks are in, group g: all up to line 10" in told
    assert b"whether lines 11 to 15 are in, Postgres did not say" in told
    assert told.endswith(b"--group g --from-line 11\n")


def test_on_a_terminal_it_shows_how_far_it_is_and_leaves_nothing_of_that(
    desk: Desk, tmp_path: Path
) -> None:
    path = written(tmp_path, *numbered(5000))
    terminal = desk.console.on_terminal(["submit", "command", "--jsonl", path, "--group", "g"])
    try:
        terminal.expect("hive: looked over 1,000 lines of ")
        terminal.expect("tasks are in, [0-9,]+/s")
        terminal.expect("\x1b\\[J")
        terminal.expect("hive: 5,000 tasks are in, group g")
        terminal.expect("\r\ng\r\n")
        terminal.wait()
    finally:
        terminal.close()
    assert terminal.exitstatus == 0

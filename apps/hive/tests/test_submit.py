import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hive.submitting.payloads import read_payload
from hive.submitting.said import SaidTask, as_field, task_of
from hive.tasks.kinds import check_payload
from hive_contracts.errors import ConfigurationError, MalformedPayloadError
from hive_testkit.console import Console

ECHO = "hive_calls.demonstration:echo"


def test_the_id_is_the_data_and_what_to_type_next_is_a_message(hive: Console) -> None:
    done = hive("submit", "call", "--payload", f'{{"function": "{ECHO}", "args": [1]}}')
    number = int(done.stdout)
    assert done.returncode == 0
    assert f"`hive show {number}`" in done.stderr
    assert f"`hive logs {number}`" in done.stderr


def test_with_wait_the_result_follows_the_id_as_json(hive: Console) -> None:
    payload = json.dumps({"function": ECHO, "args": [{"answer": [42, None]}]})
    done = hive("submit", "call", "--payload", payload, "--wait")
    number, _, result = done.stdout.partition("\n")
    assert int(number) > 0
    assert json.loads(result) == {"answer": [42, None]}


def test_a_payload_comes_from_a_file_or_from_standard_input(hive: Console, tmp_path: Path) -> None:
    text = json.dumps({"function": ECHO, "args": ["grüße"]})
    (tmp_path / "payload.json").write_text(text, encoding="utf-8")
    of_file = hive("submit", "call", "--payload", "@payload.json", "--wait", "--json", cwd=tmp_path)
    of_stdin = hive("submit", "call", "--payload", "-", "--wait", "--json", stdin=text.encode())
    for done in (of_file, of_stdin):
        assert json.loads(done.stdout)["result"] == "grüße"


def test_a_payload_that_its_kind_would_refuse_is_refused_at_once(hive: Console) -> None:
    done = hive("submit", "command", "--payload", '{"argv": ["uname"], "cwdd": "/"}')
    assert (done.returncode, done.stdout) == (2, "")
    assert "it has no field 'cwdd'; fields: argv, ask_codes" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"argv": "uname"}, "Expected `array`"),
        ({}, "it lacks the field 'argv'"),
        ([], "object"),
    ],
)
def test_a_payload_is_checked_by_its_kind(payload: object, complaint: str) -> None:
    with pytest.raises(MalformedPayloadError, match=complaint):
        check_payload("command", payload)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"argv": ["a",,]}', "--payload is not JSON at line 1, column 15"),
        ('{\n "argv": [\n}', "--payload is not JSON at line 3, column 1"),
        ('{"argv": [NaN]}', "--payload is not JSON: NaN"),
        ("[" * 100_000, "--payload is nested too deeply"),
        ("@/no/such/file", "/no/such/file cannot be read: No such file"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_payload(text)


def test_an_unknown_kind_is_refused_with_the_known_ones_unless_forced(hive: Console) -> None:
    refused = hive("submit", "sing", "--queue", "nobody")
    assert refused.returncode == 2
    assert refused.stderr.startswith("hive: no executor for kind 'sing'; installed: agent, call, ")
    forced = hive("submit", "sing", "--queue", "nobody", "--force")
    assert int(forced.stdout) > 0
    assert "it is queued for machines that have it" in forced.stderr


def test_what_stands_behind_two_dashes_is_a_command_of_this_directory(
    hive: Console, tmp_path: Path
) -> None:
    words = ("echo", "a  b", "--json", "--", "$HOME")
    given = hive("submit", "--priority", "3", "--cwd", str(tmp_path), "--env", "A=1", "--", *words)
    shell = hive("submit", "--shell", "--", "exit 3")
    first = json.loads(hive("show", "--json", given.stdout.strip()).stdout)
    assert (first["kind"], first["priority"], first["payload"]["argv"]) == ("command", 3, [*words])
    assert (first["payload"]["cwd"], first["payload"]["env"]) == (str(tmp_path), {"A": "1"})
    second = json.loads(hive("show", "--json", shell.stdout.strip()).stdout)
    assert (second["payload"]["argv"], second["payload"]["shell"]) == (["exit 3"], True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "say what to submit: a command behind --, or a kind by its name and --payload"),
        (("command", "--", "true"), "; it got both"),
        (("--payload", "{}", "--", "true"), "--payload is the input of a kind"),
        (("command", "--cwd", "."), "--cwd is for a command; of a kind it is in the payload"),
        (("--jsonl", "-", "--", "true"), "a command behind -- is one more"),
        (
            ("--jsonl", "-", "--limit", "nice=1"),
            "--limit is for a command behind --; a line",
        ),
    ],
)
def test_a_command_and_what_it_cannot_be_beside(
    hive: Console, words: tuple[str, ...], complaint: str
) -> None:
    done = hive("submit", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("run_at", "delay", "complaint"),
    [
        (None, "5 minutes", "--delay is '5 minutes'; write it like 30s"),
        (None, "9999999d", "too long"),
        ("2030-01-01T00:00", "1h", "give one of them"),
        ("tomorrow", None, "--run-at is 'tomorrow'; write it like 2030-01-31T17:00"),
    ],
)
def test_a_moment_that_is_none_is_refused(
    run_at: str | None, delay: str | None, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        task_of(SaidTask(run_at=run_at, delay=delay))


def test_a_moment_without_a_time_zone_is_the_clock_on_the_wall() -> None:
    wall = task_of(SaidTask(run_at="2030-01-31T17:00")).run_at
    assert wall == datetime(2030, 1, 31, 17).astimezone()
    elsewhere = task_of(SaidTask(run_at="2030-01-31T17:00+01:00")).run_at
    assert elsewhere == datetime(2030, 1, 31, 16, tzinfo=UTC)


def test_never_again_and_a_number_of_losses_contradict_each_other() -> None:
    assert task_of(SaidTask(no_rerun=True)).max_losses == 0
    assert task_of(SaidTask(max_losses=0)).max_losses == 0
    with pytest.raises(ConfigurationError, match="--no-rerun means --max-losses 0, not 2"):
        task_of(SaidTask(max_losses=2, no_rerun=True))


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (SaidTask(timeout="soon"), "^timeout is 'soon'; write it like 30s"),
        (SaidTask(delay="5 minutes"), "^delay is '5 minutes'"),
        (SaidTask(run_at="tomorrow"), "^run_at is 'tomorrow'"),
        (SaidTask(run_at="2030-01-01", delay="1h"), "^run_at and delay say the same thing"),
        (SaidTask(max_losses=2, no_rerun=True), "^no_rerun means max_losses 0, not 2"),
    ],
)
def test_what_a_line_of_json_says_wrongly_is_told_by_the_name_of_its_field(
    said: SaidTask, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        task_of(said, spelled=as_field)


def test_what_the_store_refuses_is_one_line(hive: Console) -> None:
    done = hive("submit", "command", "--payload", '{"argv": ["true"]}', "--priority", "-1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hive: a priority is from 0")


def test_what_is_asked_for_is_what_is_stored(hive: Console) -> None:
    flags = ["--queue", "nobody", "--priority", "7", "--max-attempts", "5", "--no-rerun"]
    when = ["--delay", "1h30m", "--timeout", "2d", "--silence-timeout", "5m"]
    done = hive("submit", "command", "--payload", '{"argv": ["true"]}', *flags, *when)
    shown = json.loads(hive("show", done.stdout.strip(), "--json").stdout)
    assert (shown["queue"], shown["priority"]) == ("nobody", 7)
    assert (shown["max_attempts"], shown["max_losses"]) == (5, 0)
    assert shown["timeout_seconds"] == 2 * 24 * 60 * 60
    assert shown["silence_timeout_seconds"] == 5 * 60
    assert shown["state"] == "scheduled"


def test_without_a_hive_the_way_to_one_is_told(no_hive: Console) -> None:
    done = no_hive("submit", "command", "--payload", '{"argv": ["true"]}')
    assert (done.returncode, done.stdout) == (2, "")
    assert "start it with `hive up -d`" in done.stderr

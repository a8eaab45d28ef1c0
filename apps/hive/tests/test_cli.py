import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer.main

from hive import cli

HIVE = [sys.executable, "-P", "-m", "hive"]


def hive(*words: str, home: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name[:5] != "HIVE_"}
    return subprocess.run(
        [*HIVE, *words],
        env={**environment, "HOME": str(home), "XDG_STATE_HOME": "", **variables},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_loads_nothing_heavy(tmp_path: Path) -> None:
    probe = (
        "import sys, hive.cli\n"
        "heavy = {'asyncpg', 'redis', 'arq', 'rich', 'structlog', 'prometheus_client', 'numpy',"
        " 'pydantic', 'asyncio', 'hive.settings', 'hive_queen', 'hive_store'}\n"
        "sys.argv = ['hive', '--help']\n"
        "try:\n    hive.cli.main()\n"
        "finally:\n    print('loaded:', sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert "loaded: []" in done.stdout
    for name in ("up", "down", "queen", "worker", "doctor", "migrate"):
        assert f"\n  {name} " in done.stdout


def test_who_only_looks_does_not_load_what_submits_waits_or_serves() -> None:
    probe = (
        "import sys, hive.cli\n"
        "heavy = {'msgspec', 'redis', 'arq', 'rich', 'structlog', 'prometheus_client', 'hive_bus',"
        " 'hive_client', 'hive_store.queen_store', 'hive_store.task_store'}\n"
        "sys.argv = ['hive', 'list', '--database-url', 'postgresql:///x?host=/absent']\n"
        "try:\n    hive.cli.main()\n"
        "finally:\n    print('loaded:', sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False
    )
    assert "did not answer" in done.stderr
    assert done.stdout == "loaded: []\n"


def test_of_the_whole_command_line_what_is_typed_is_prepared_alone() -> None:
    whole: Any = typer.main.get_command(cli.app)  # typer leaves its own commands open
    for name in whole.commands:
        one: Any = typer.main.get_command(cli.app_for([name, "--help"]))
        assert one.commands.keys() == {name}
        assert [option.name for option in one.params] == [option.name for option in whole.params]
    for words in ([], ["--help"], ["lst"]):
        assert cli.app_for(words) is cli.app


def test_the_help_of_every_command_has_an_example_and_fits_80_columns() -> None:
    root: Any = typer.main.get_command(cli.app)  # typer leaves its own commands open
    groups = [command for command in root.commands.values() if hasattr(command, "commands")]
    commands = [*root.commands.items(), *(each for g in groups for each in g.commands.items())]
    for name, command in commands:
        context = command.context_class(command, info_name=f"hive {name}", max_content_width=80)
        text = command.get_help(context)
        assert "Example" in text, name
        assert max(map(len, text.splitlines())) <= 80, name
        for below in getattr(command, "commands", {}).values():
            text = below.get_help(below.context_class(below, info_name=name, max_content_width=80))
            assert "Example" in text, below.name
            assert max(map(len, text.splitlines())) <= 80, below.name


def test_a_wrong_setting_is_one_line_on_stderr_and_exit_code_2(tmp_path: Path) -> None:
    done = hive("down", "--set", "worker.slot=1", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "hive: there is no setting 'worker.slot', from the command line;"
        " did you mean worker.slots?\n"
    )


def test_a_change_without_a_value_is_refused(tmp_path: Path) -> None:
    done = hive("down", "--set", "worker.slots", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("hive: --set needs KEY=VALUE")


def test_a_warning_does_not_stop_a_command_and_is_not_data(tmp_path: Path) -> None:
    done = hive("down", "--json", home=tmp_path, HIVE_LOG_LEVL="x")
    assert done.returncode == 0
    assert done.stdout == '{\n  "stopped": null\n}\n'
    assert "did you mean HIVE_LOG_LEVEL?" in done.stderr


def test_a_command_that_needs_servers_says_how_to_get_them(tmp_path: Path) -> None:
    done = hive("migrate", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "hive: Hive is not running here; start it with `hive up -d`, or name servers with"
        " HIVE_DATABASE_URL and HIVE_REDIS_URL\n"
    )


def test_a_server_that_is_away_is_exit_code_1_and_no_traceback(tmp_path: Path) -> None:
    url = f"postgresql://hive@/hive?host={tmp_path}"
    done = hive("migrate", "--database-url", url, "--redis-url", "unix:///x", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("hive: Postgres")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_taking_down_what_is_not_up_is_no_error(tmp_path: Path) -> None:
    done = hive("down", home=tmp_path)
    assert done.returncode == 0
    assert "nothing runs in" in done.stderr


def test_a_child_of_another_parent_starts_nothing(tmp_path: Path) -> None:
    done = hive("down", home=tmp_path, HIVE_DIE_WITH_PARENT="1")
    assert done.returncode == 1
    assert "the supervisor, process 1, is gone" in done.stderr


def test_the_doctor_finds_what_embedded_servers_need(tmp_path: Path) -> None:
    done = hive("doctor", home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "embedded Postgres" in done.stdout
    assert "embedded Redis" in done.stdout
    assert "not running; start: hive up -d" in done.stdout
    assert not (tmp_path / ".local").exists()


def test_the_doctor_names_a_server_that_does_not_answer(tmp_path: Path) -> None:
    url = f"postgresql://hive@/hive?host={tmp_path}"
    done = hive("doctor", "--database-url", url, "--redis-url", "unix:///x", home=tmp_path)
    assert done.returncode == 1
    assert "mend database: " in done.stdout
    assert "mend redis: " in done.stdout


def test_the_doctor_minds_a_data_directory_that_others_may_write_to(tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    done = hive("doctor", "--data-dir", str(open_folder), home=tmp_path)
    assert done.returncode == 1
    assert f"mend data directory: chmod 700 {open_folder}" in done.stdout

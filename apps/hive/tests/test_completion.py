"""The shell completes what is typed after `hive`: asked of a real shell."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hive_testkit.console import HIVE, Console

COMPLETE = """
eval "$(hive completion bash)"
COMP_WORDS=(hive "$@")
COMP_CWORD=$#
_hive_completion hive
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(hive: Console, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    environment = hive.environment
    environment["PATH"] = f"{Path(HIVE).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["stat"], ["status"]),
        (["status", "--wat"], ["--watch"]),
        (["submit", "com"], ["command"]),
        (["config", "worker.sl"], ["worker.slots"]),
        (["up", "--set", "log.lev"], ["log.level="]),
        (["run", "--queue", "bui"], ["builds"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_bash_completes(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    hive = Console(tmp_path, {"HIVE_WORKER_QUEUES": "default,builds"})
    assert completed(hive, *words) == offered


def test_a_wrong_setting_is_not_complained_of_amid_a_line(tmp_path: Path) -> None:
    hive = Console(tmp_path, {"HIVE_WORKER_SLOTS": "none"})
    assert completed(hive, "run", "--queue", "d") == []


def test_a_key_press_on_a_terminal_completes_the_line(tmp_path: Path) -> None:
    import pexpect  # noqa: PLC0415 - few tests need a terminal

    hive = Console(tmp_path, {"PS1": "> ", "PATH": f"{Path(HIVE).parent}:/usr/bin:/bin"})
    spawn: Any = pexpect.spawn
    shell = spawn("bash", ["--norc", "--noprofile"], env=hive.environment, encoding="utf-8")
    try:
        shell.sendline('eval "$(hive completion bash)"; echo tau""ght')
        shell.expect("taught")
        shell.send("hive comp\t")
        shell.expect("hive completion ")
    finally:
        shell.close(force=True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_another_shell_is_one_that_it_reads(no_hive: Console, shell: str) -> None:
    script = no_hive("completion", shell).stdout
    assert "_HIVE_COMPLETE=complete_" + shell in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here to read it")
    subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=60)

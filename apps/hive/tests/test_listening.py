"""`hive up --listen` and `hive join` on one machine: what is written, told, refused, kept quiet."""

import json
import os
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from hive.inviting import invite, is_exposed
from hive.joining import check_file, check_servers
from hive.local_plan import local_plan
from hive.private_files import replace_private
from hive.settings import load
from hive.up_state import Invitation
from hive_contracts.errors import ConfigurationError
from hive_testkit.console import Console

HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listening:
    """A Hive that is up and listens."""

    console: Console
    said: str
    """What `hive up -d --listen` has said."""

    passwords: tuple[str, ...]

    @property
    def join_file(self) -> Path:
        return self.console.data_dir / "join.toml"

    def is_quiet(self, text: str) -> bool:
        """Return whether no password is in the text."""
        return not any(password in text for password in self.passwords)


@pytest.fixture(scope="module")
def listening() -> Generator[Listening]:
    with TemporaryDirectory(prefix="hive-test-") as directory:
        console = Console(Path(directory))
        try:
            up = console("up", "-d", "--listen", HERE)
            assert up.returncode == 0, up.stderr
            passwords = tuple(door(console.data_dir, name)[1] for name in ("postgres", "redis"))
            yield Listening(console, up.stdout + up.stderr, passwords)
        finally:
            console("down", "--now")


def door(data_dir: Path, service: str) -> tuple[int, str]:
    kept = json.loads((data_dir / f"{service}.door").read_text())
    return kept["port"], kept["password"]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def copied(listening: Listening, folder: Path) -> Path:
    path = folder / "join.toml"
    replace_private(path, listening.join_file.read_text())
    return path


def test_it_says_how_another_machine_joins_and_tells_no_password(listening: Listening) -> None:
    (postgres, _), (redis, _) = (door(listening.console.data_dir, n) for n in ("postgres", "redis"))
    assert f"it listens at {HERE}:{postgres} and {HERE}:{redis}" in listening.said
    assert f"scp {listening.join_file} MACHINE:" in listening.said
    assert "hive join join.toml" in listening.said
    assert "Warning" not in listening.said, "nobody else reaches 127.0.0.1"
    told = [listening.console(*words) for words in (("doctor",), ("status",), ("up", "--json"))]
    for done in told:
        assert done.returncode == 0, done.stderr
    assert listening.is_quiet(listening.said + "".join(done.stdout + done.stderr for done in told))
    state = json.loads(told[-1].stdout)
    assert state["invitation"] == {"address": HERE, "join_file": str(listening.join_file)}


def test_passwords_are_in_private_files_and_neither_in_logs_nor_in_command_lines(
    listening: Listening,
) -> None:
    holders = {
        path.relative_to(listening.console.data_dir): path.stat().st_mode & 0o777
        for pattern in ("*", "logs/*", "redis/*", "postgres/*")
        for path in listening.console.data_dir.glob(pattern)
        if path.is_file() and not listening.is_quiet(path.read_text(errors="replace"))
    }
    names = ("join.toml", "up.json", "postgres.door", "redis.door", "redis/redis.conf")
    assert holders == dict.fromkeys(map(Path, names), 0o600)
    lines = "\n".join(
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    )
    assert f"{listening.console.data_dir}/postgres" in lines
    assert listening.is_quiet(lines)


def test_every_command_takes_the_join_file_for_its_settings(
    listening: Listening, tmp_path: Path
) -> None:
    elsewhere = Console(tmp_path, {"HIVE_CONFIG": str(copied(listening, tmp_path))})
    ran = elsewhere("run", "--", "echo", "from afar")
    assert (ran.stdout, ran.returncode) == ("from afar\n", 0), ran.stderr


def test_up_says_that_another_address_was_not_applied(listening: Listening) -> None:
    again = listening.console("up", "-d", "--listen", "0.0.0.0")
    assert again.returncode == 2
    assert (
        f"it goes on listening at {HERE}; to have it listen at 0.0.0.0: hive down, then"
        " hive up -d --listen 0.0.0.0" in again.stderr
    )
    assert listening.console("up", "-d", "--listen", HERE).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_join_file_of_somebody_else_is_his_own_business(tmp_path: Path) -> None:
    path = tmp_path / "join.toml"
    path.touch(mode=0o644)
    with pytest.raises(ConfigurationError):
        check_file(path)
    os.chown(path, 65534, -1)
    check_file(path)


def test_a_join_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "join.toml"
    path.touch()
    path.chmod(0o640)
    with pytest.raises(ConfigurationError) as refusal:
        check_file(path)
    assert str(refusal.value) == (
        f"others may read {path} (mode 0640), and it holds passwords: chmod 600 {path}"
    )
    path.chmod(0o600)
    check_file(path)


def test_a_variable_that_names_another_server_is_not_silently_obeyed(
    listening: Listening, tmp_path: Path
) -> None:
    path = copied(listening, tmp_path)
    done = Console(tmp_path, {"HIVE_REDIS_URL": "redis://:s3cret@db"})("join", str(path))
    assert done.returncode == 2
    assert done.stderr == (
        f"hive: HIVE_REDIS_URL names another redis.url than {path} does; leave it out"
        " (unset HIVE_REDIS_URL)\n"
    )


def test_a_file_that_is_missing_or_no_join_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml cannot be read: No such file"):
        check_file(tmp_path / "absent.toml")
    other = tmp_path / "hive.toml"
    replace_private(other, "[worker]\nslots = 8\n")
    with pytest.raises(ConfigurationError, match=r"names no database\.url, so it is no join file"):
        check_servers(load(config=other, environment={}), other)


def test_down_and_up_without_listening_closes_the_ports_and_takes_the_file_back(
    listening: Listening, tmp_path: Path
) -> None:
    path = copied(listening, tmp_path)
    ports = [door(listening.console.data_dir, name)[0] for name in ("postgres", "redis")]
    assert all(map(listens, ports))
    assert listening.console("down", "--now").returncode == 0
    up = listening.console("up", "-d")
    assert up.returncode == 0, up.stderr
    assert "join:" not in up.stderr
    assert not any(map(listens, ports))
    assert not listening.join_file.exists()
    done = Console(tmp_path)("join", str(path))
    assert done.returncode == 1
    assert done.stderr == (
        f"hive: Postgres at {HERE}, port {ports[0]}, is not there: on that machine `hive up"
        " --listen` does not run, or listens at another address now; start it, and copy join.toml"
        " from there again\n"
    )
    refused = listening.console("up", "-d", "--listen", HERE)
    assert refused.returncode == 2
    assert "it goes on listening for no other machine" in refused.stderr


@pytest.mark.parametrize(
    "address", ["", "here", "10.0.0", "fe80::1%eth0", "224.0.0.1", "10.0.0.1:80"]
)
def test_only_an_address_can_be_listened_at(address: str) -> None:
    with pytest.raises(ConfigurationError, match="must be an IP address of this machine"):
        load(flags={"services.listen": address}, environment={})


def test_servers_of_one_s_own_are_not_made_to_listen(tmp_path: Path) -> None:
    flags = {
        "services.data_dir": str(tmp_path / "data"),
        "services.listen": HERE,
        "database.url": "postgresql://db/hive",
        "redis.url": "redis://db",
    }
    with pytest.raises(ConfigurationError, match="both servers are named by their URLs"):
        local_plan(load(flags=flags, environment={}))


def test_the_join_file_reads_back_as_it_was_meant_with_what_both_sides_must_share(
    tmp_path: Path,
) -> None:
    flags = {
        "services.data_dir": str(tmp_path),
        "redis.prefix": 'our "own" \\ ☂',
        "queen.lease_seconds": "6",
        "worker.heartbeat_seconds": "1.5",
        "worker.slots": "9",
    }
    urls = {"database.url": "postgresql://hive:x@10.0.0.1/hive", "redis.url": "redis://:y@10.0.0.1"}
    invitation = Invitation(
        address="10.0.0.1", database_url=urls["database.url"], redis_url=urls["redis.url"]
    )
    invite(load(flags=flags, environment={}), invitation)
    read: Any = load(config=tmp_path / "join.toml", environment={})
    assert {key: given.value for key, given in read.given.items()} == {
        **urls,
        "redis.prefix": flags["redis.prefix"],
        "queen.lease_seconds": 6.0,
        "worker.heartbeat_seconds": 1.5,
    }


@pytest.mark.parametrize(
    ("address", "is_so"),
    [("0.0.0.0", True), ("::", True), ("8.8.8.8", True), ("10.1.2.3", False), (HERE, False)],
)
def test_what_anybody_may_reach_is_told_apart(address: str, is_so: bool) -> None:
    assert is_exposed(address) is is_so

"""The client finds what `hive up` has written down: two packages, one file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hive import up_state
from hive.identity import ProcessIdentity
from hive.settings import load
from hive.up_state import UpState
from hive_client.local_hive import LocalHive, data_dir, find_local_hive


def test_the_client_reads_what_hive_up_writes(tmp_path: Path) -> None:
    state = UpState(
        identity=ProcessIdentity.of_this_process(),
        started_at=datetime.now(UTC),
        database_url="postgresql://hive@/hive?host=/run",
        redis_url="unix:///run/redis.sock?db=0",
        is_up=True,
    )
    up_state.write(tmp_path, state)
    assert find_local_hive({"HIVE_DATA_DIR": str(tmp_path)}) == LocalHive(
        database_url=state.database_url, redis_url=state.redis_url
    )
    up_state.remove(tmp_path)
    assert find_local_hive({"HIVE_DATA_DIR": str(tmp_path)}) is None


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_STATE_HOME": "/state"},
        {"XDG_STATE_HOME": "relative"},
        {"HIVE_DATA_DIR": "/data", "XDG_STATE_HOME": "/state"},
        {"HIVE_DATA_DIR": "/data", "HIVE_SERVICES_DATA_DIR": "/services"},
        {"HIVE_DATA_DIR": "", "HIVE_SERVICES_DATA_DIR": ""},
        {"HIVE_DATA_DIR": "relative/data"},
        {"HIVE_DATA_DIR": "~/data"},
    ],
)
def test_both_look_in_the_same_directory(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"HOME": str(tmp_path), **variables}
    found = load(environment=environment).services.data_dir
    assert data_dir(environment).absolute() == found.absolute()

"""A backup that somebody has made up leads to nothing but Hive's own tables."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import asyncpg
import pytest

from hive_contracts.errors import ConfigurationError
from hive_store.backing_up import back_up
from hive_store.restoring import restore


async def made_up(database_url: str, folder: Path, table: dict[str, Any]) -> Path:
    """Return a backup of an empty Hive to whose tables one was added."""
    whole, altered = folder / "whole.hive", folder / "altered.hive"
    await back_up(database_url, whole, on_progress=lambda _: None)
    with ZipFile(whole) as source, ZipFile(altered, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "manifest.json":
                manifest = json.loads(data)
                like = dict(manifest["tables"][0])
                manifest["tables"] = [*manifest["tables"], like | table]
                data = json.dumps(manifest).encode()
            target.writestr(name, data)
        target.writestr(f"tables/{table['name']}.copy", b"")
    return altered


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "name",
    [
        'task"; drop table hive.task; --',
        "../../../../etc/passwd",
        "/etc/passwd",
        "pg_catalog.pg_authid",
        "absent",
    ],
)
async def test_a_table_that_is_none_of_hives_is_refused_and_nothing_is_changed(
    database_url: str, database: "asyncpg.Connection[Any]", tmp_path: Path, name: str
) -> None:
    table = {"name": name, "columns": ["id"], "rows": 0, "bytes": 0, "sha256": EMPTY}
    file = await made_up(database_url, tmp_path, table)
    with pytest.raises(ConfigurationError, match="no whole backup made by `hive backup`"):
        await restore(database_url, file, replaces=True, on_progress=lambda _: None)
    assert await database.fetchval("select to_regclass('hive.task')") is not None


async def test_a_column_that_is_no_column_is_refused(database_url: str, tmp_path: Path) -> None:
    table = {"name": "queen", "columns": ["id\") from program 'id' --"], "rows": 0, "bytes": 0}
    file = await made_up(database_url, tmp_path, table | {"sha256": EMPTY})
    with pytest.raises(ConfigurationError, match="no whole backup made by `hive backup`"):
        await restore(database_url, file, replaces=True, on_progress=lambda _: None)

"""The results of the tasks that a command comes after, in a file for it to read.

    HIVE_PARENTS    [{"id": 12, "state": "succeeded", "result": ..., "is_left_out": false,
                      "error": null}, ...]

The file is in a directory that only the worker's user can enter, and goes when the attempt is over.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hive_contracts.execution import Attempt
from hive_contracts.wire import encode_json

__all__ = ["parents_in_a_file"]

VARIABLE: Final = "HIVE_PARENTS"


@asynccontextmanager
async def parents_in_a_file(attempt: Attempt) -> AsyncGenerator[dict[str, str]]:
    """Give the variable that names the file.

    Raises:
        StoreUnavailableError: Postgres did not answer.
        OSError: there is no room for the file.
    """
    content = encode_json(await attempt.parents())
    with TemporaryDirectory(prefix="hive-parents-", ignore_cleanup_errors=True) as directory:
        file = Path(directory) / "parents.json"
        await asyncio.to_thread(file.write_text, content, encoding="utf-8")
        yield {VARIABLE: str(file)}

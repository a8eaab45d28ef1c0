"""What the tests of your own code need: a Hive of their own, tasks run inline, assertions.

    async def test_an_order_is_charged(hive):
        await place_order(7)
        await hive.assert_submitted(charge, {"order": 7})
        await hive.drain()

The fixtures `hive`, `sync_hive` and others come by themselves where Hive is installed (`plugin`).
A name of this package is imported when it is first asked for, as every run of pytest imports the
package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hive.testing.capturing import Captured, capture_submits
    from hive.testing.hive_for_tests import HiveForTests
    from hive.testing.running import running_hive
    from hive.testing.servers import HiveServer
    from hive.testing.sync_hive_for_tests import SyncHiveForTests

__all__ = [
    "Captured",
    "HiveForTests",
    "HiveServer",
    "SyncHiveForTests",
    "capture_submits",
    "running_hive",
]

MODULES: Final = {
    "Captured": "capturing",
    "HiveForTests": "hive_for_tests",
    "HiveServer": "servers",
    "SyncHiveForTests": "sync_hive_for_tests",
    "capture_submits": "capturing",
    "running_hive": "running",
}
"""Where each name of the package lives."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)

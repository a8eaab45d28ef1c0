"""What a task of kind `call` says: which function, and what to give it."""

import re
from functools import lru_cache
from typing import Any, Final

from hive_contracts.wire import Payload

__all__ = ["KIND", "CallPayload"]

KIND: Final = "call"

_DOTTED: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_import_path: Final = re.compile(f"{_DOTTED}:{_DOTTED}")


@lru_cache(maxsize=1024)
def _is_import_path(path: str) -> bool:
    return _import_path.fullmatch(path) is not None


class CallPayload(Payload, frozen=True, kw_only=True):
    """One call of one function."""

    function: str
    """Where it is: "package.module:name" or "package.module:Class.method"."""

    args: list[Any] = []  # noqa: RUF012 - every payload gets its own
    kwargs: dict[str, Any] = {}  # noqa: RUF012

    def __post_init__(self) -> None:
        """Refuse what cannot name a function, before it is queued.

        Raises:
            ValueError: `function` is not an import path.
        """
        if not _is_import_path(self.function):
            raise ValueError(f"function must be 'package.module:name', not {self.function!r}")

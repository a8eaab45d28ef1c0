"""What a task of kind `call` says: which function, and what to give it."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

__all__ = ["KIND", "CallPayload"]

KIND: Final = "call"

_DOTTED: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_import_path: Final = re.compile(f"{_DOTTED}:{_DOTTED}")


@lru_cache(maxsize=1024)
def _is_import_path(path: str) -> bool:
    return _import_path.fullmatch(path) is not None


def _no_args() -> list[Any]:
    # Called a million times: `list[Any]` as a factory takes four times as long.
    return []


def _no_kwargs() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPayload:
    """One call of one function."""

    function: str
    """Where it is: "package.module:name" or "package.module:Class.method"."""

    args: list[Any] = field(default_factory=_no_args)
    kwargs: dict[str, Any] = field(default_factory=_no_kwargs)

    def __post_init__(self) -> None:
        """Refuse what cannot name a function, before it is queued.

        Raises:
            ValueError: `function` is not an import path.
        """
        if not _is_import_path(self.function):
            raise ValueError(f"function must be 'package.module:name', not {self.function!r}")

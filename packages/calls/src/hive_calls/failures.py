"""A function's exception as text that a stranger can use, and that Postgres can store.

The first line is the exception itself; the traceback after it begins in the user's code, because
how Hive came to call the function tells its author nothing.
"""

import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

__all__ = ["describe", "names_of", "storable"]

LONGEST_DESCRIPTION: Final = 16 * 1024
"""Characters; of a longer one the middle is left out."""

_HERE: Final = str(Path(__file__).parent)
_OWN_FILES: Final = frozenset(
    f"{_HERE}/{name}.py" for name in ("executor", "child", "functions", "failures", "inline")
)


def describe(error: BaseException) -> str:
    """Return `error` as "TypeName: message", and under it where in the user's code it arose."""
    first_frame = _skip_own_frames(error.__traceback__)
    told = traceback.TracebackException(type(error), error, first_frame, compact=True)
    summary = f"{type(error).__name__}: {told}".removesuffix(": ")
    if first_frame is None and not isinstance(error, SyntaxError):
        return storable(summary)
    return storable(f"{summary}\n{''.join(told.format())}".rstrip())


def names_of(error: BaseException) -> tuple[str, ...]:
    """Return what a retry policy may call `error`: its type, and those that it is derived from."""
    types = [kind for kind in type(error).__mro__ if issubclass(kind, BaseException)]
    plain = [kind.__name__ for kind in types]
    return tuple(dict.fromkeys([*plain, *(f"{k.__module__}.{k.__qualname__}" for k in types)]))


def storable(text: str) -> str:
    """Return `text` without what Postgres cannot hold, and no longer than it is useful."""
    if len(text) > LONGEST_DESCRIPTION:
        half = LONGEST_DESCRIPTION // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _skip_own_frames(frame: TracebackType | None) -> TracebackType | None:
    while frame is not None and _is_own(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    return frame


def _is_own(file: str) -> bool:
    return (
        file in _OWN_FILES
        or file.startswith("<frozen importlib")
        or file.endswith("/importlib/__init__.py")
    )

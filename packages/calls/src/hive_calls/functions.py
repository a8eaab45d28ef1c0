"""From "package.module:name" to the function itself, if the operator allows it.

Whoever may submit a task may name any function, so the list of allowed modules is a border and not
a convenience. It holds for the module that is named and for the one in which the function was
defined: an allowed module that says `from subprocess import run` or `import os` does not thereby
hand out `run` or `os.system`.

Imported modules stay imported, as everywhere in Python: code that changes on disk is seen by a
worker once it is restarted.
"""

import importlib
import inspect
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

from hive_calls.failures import describe
from hive_contracts.errors import UsageError

__all__ = [
    "Function",
    "UncallableError",
    "find",
    "find_any",
    "is_async",
    "is_module_allowed",
    "refuse_module",
]

Function: TypeAlias = Callable[..., Any]


class UncallableError(UsageError):
    """A function that cannot be called here; the message names it and says why."""

    def __init__(self, reason: str, *, is_retryable: bool = False) -> None:
        super().__init__(reason)
        self.is_retryable = is_retryable


def is_module_allowed(module: str, allowed: Sequence[str]) -> bool:
    """Return whether `module`, or a package that holds it, is in `allowed`."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def refuse_module(path: str, allowed: Sequence[str]) -> None:
    """Return if the module that `path` names may be called.

    Raises:
        UncallableError: it may not; the message says how to allow it.
    """
    module = path.partition(":")[0]
    if not is_module_allowed(module, allowed):
        raise UncallableError(
            f"functions of the module {module!r} may not be called; "
            f"to allow them, add it to the setting calls.modules, or give --allow {module}"
        )


def find(path: str, allowed: Sequence[str]) -> Function:
    """Return the function that `path` names, importing its module.

    Raises:
        UncallableError: it is not there, is not allowed, or its module's import failed.
    """
    refuse_module(path, allowed)
    found: object = None
    for found in _way_to(path):
        _refuse_foreign(found, path, allowed)
    return _called(found, path)


def find_any(path: str) -> Function:
    """Return the function that `path` names, allowed or not: for who trusts whoever names it.

    Raises:
        UncallableError: it is not there, or its module's import failed.
    """
    *_, found = _way_to(path)
    return _called(found, path)


def is_async(function: Function) -> bool:
    """Return whether calling `function` gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object's own async `__call__`
    )


def _way_to(path: str) -> Generator[object]:
    """Yield what each name of `path` leads to behind the module, before going on to the next."""
    module, _, names = path.partition(":")
    found = _import(module)
    parts = names.split(".")
    for depth, part in enumerate(parts):
        if depth > 0 and not inspect.isclass(found):
            raise UncallableError(f"{module}:{'.'.join(parts[:depth])} is not a class")
        found = getattr(found, part, None)
        if found is None:
            raise UncallableError(f"the module {module!r} has no {'.'.join(parts[: depth + 1])!r}")
        yield found


def _called(found: object, path: str) -> Function:
    if not callable(found):
        raise UncallableError(f"{path} is not a function: it is of type {type(found).__name__}")
    return found


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise UncallableError(f"there is no module {module!r} here") from error
        raise _broken(module, error) from error
    except BaseException as error:  # a module may raise anything, `SystemExit` too
        raise _broken(module, error) from error


def _broken(module: str, error: BaseException) -> UncallableError:
    # Worth another try, unlike a name that is wrong: modules fail to import for want of a file or
    # of a server, and on one machine of many.
    return UncallableError(
        f"the module {module!r} could not be imported: {describe(error)}", is_retryable=True
    )


def _refuse_foreign(found: object, path: str, allowed: Sequence[str]) -> None:
    home = getattr(found, "__module__", None)
    if not isinstance(home, str) or not is_module_allowed(home, allowed):
        where = f"in the module {home!r}" if isinstance(home, str) else "elsewhere"
        raise UncallableError(f"{path} leads to something defined {where}, which is not allowed")

"""Functions by reference: from the function itself to a task that calls it, or a reason why not.

A worker finds the function by name ("module:qualified.name") and is given its arguments as JSON. So
it must be there under that name, in a module that the worker can import, and what it is given must
be what JSON gives back: text stays text, but a date would arrive as text and a set as a list.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec

from hive_client.payloads import refuse_what_is_not_json
from hive_contracts.errors import RefusedTaskError
from hive_contracts.tasks import NewTask

__all__ = ["call"]

P = ParamSpec("P")

KIND: Final = "call"


def call(function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> NewTask:
    """Return a task that calls `function` with these arguments.

    Args:
        function: of a module that workers can import and may call (`hive worker --allow MODULE`).
        args: plain values: None, bool, int, float, str, and lists and dicts of them. A tuple
            arrives as a list.
        kwargs: the same.

    Raises:
        RefusedTaskError: a worker could not find the function or make it run, or an argument is
            not JSON or does not fit it; the message says which and why.
    """
    path = _path_of(function)
    _refuse_what_does_not_fit(function, path, args, kwargs)
    named = {f"argument {place}": value for place, value in enumerate(args, start=1)}
    for name, value in (named | {f"argument {name!r}": kwargs[name] for name in kwargs}).items():
        refuse_what_is_not_json(value, f"{name} of {path}")
    return NewTask(
        kind=KIND, payload={"function": path, "args": list(args), "kwargs": dict(kwargs)}
    )


def _path_of(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or inspect.isclass(function):
        raise RefusedTaskError(
            f"{function!r} is not a function that has a name; submit one that is defined with"
            " `def` or `async def` in a module"
        )
    shown = f"{module}:{name}"
    if inspect.ismethod(function):
        raise RefusedTaskError(
            f"{shown} is a method of an object that the worker does not have;"
            " submit a function that makes or finds the object and calls it"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise RefusedTaskError(
            f"{shown} is a generator function: a call of it runs nothing yet and returns what JSON"
            " cannot carry; submit a function that goes through it and returns a list"
        )
    if "<lambda>" in name or "<locals>" in name:
        raise RefusedTaskError(
            f"{shown} exists only inside this program; define it with `def` at the top of a module"
        )
    if module == "__main__":
        raise RefusedTaskError(
            f"{name} is defined in the program that was started (__main__), which a worker cannot"
            " import; put it into a module of its own and import it from there"
        )
    if _found(module, name) is not function:
        raise RefusedTaskError(
            f"{shown} is not this function but another, or nothing: a worker could not find it"
        )
    return shown


def _found(module: str, name: str) -> object:
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _refuse_what_does_not_fit(
    function: Callable[..., Any], path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:
        # A function written in C may not tell what it takes.
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise RefusedTaskError(f"{path}{signature} cannot be called like this: {error}") from None

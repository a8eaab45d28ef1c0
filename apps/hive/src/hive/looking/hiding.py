"""The payload of a command as people may look at it: without the values of its secret variables.

It is what is shown that is hidden, and nothing else: whoever reads the database, a backup or an
export has them. A payload that nobody else may read is to be encrypted.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, cast

__all__ = ["HIDDEN", "without_secrets"]

HIDDEN: Final = "[hidden]"

LEAST_CHARACTERS: Final = 6
"""What is shorter is a word, which may stand anywhere else as well."""


def without_secrets(payload: Any, secret_names: Sequence[str]) -> Any:
    """Return a payload without the values of variables that are called like secrets.

    Also hidden are those that its `secret_env` names, and a value wherever else it stands.

    Args:
        payload: what JSON can hold; a sealed one is looked through as well.
        secret_names: how secret variables are called; `*` stands for anything.
    """
    values = sorted(set(_secrets(payload, secret_names)), key=len, reverse=True)
    return _hidden(payload, values) if values else payload


def _secrets(value: Any, names: Sequence[str]) -> Iterator[str]:
    """Give every secret in a payload, or in what seals one."""
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _secrets(each, names)
    if not isinstance(value, dict):
        return
    fields = cast("dict[str, Any]", value)
    env, named = fields.get("env"), fields.get("secret_env")
    if isinstance(env, dict):
        also = cast("list[Any]", named) if isinstance(named, list) else []
        for name, secret in cast("Mapping[str, Any]", env).items():
            if not isinstance(secret, str) or not secret:
                continue
            if name in also or any(fnmatchcase(name, pattern) for pattern in names):
                yield secret
    for each in fields.values():
        yield from _secrets(each, names)


def _hidden(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            if value == secret:
                return HIDDEN
            if len(secret) >= LEAST_CHARACTERS:
                value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, list):
        return [_hidden(each, secrets) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _hidden(each, secrets) for name, each in fields.items()}
    return value

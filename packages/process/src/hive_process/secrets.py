"""Which secrets a command could print, in every form in which they would still be readable.

A secret is the value of a variable of the command whose name fits one of the settings'
`secret_names`, or that the task names in `secret_env`. It is hidden as it is, each of its lines
too, and as JSON, percent-encoded and base64 text (each of the three ways in which base64 shows it,
depending on what stands before). What is shorter than six bytes is no secret but a word.

A pattern is the beginning of a secret and a `*`, as in `ghp_*`: what follows, as long as it is made
of letters, digits and `_-.+/=~%`, belongs to it. It counts where no letter or digit stands before.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

__all__ = ["SECRET_NAMES", "TOKEN", "Secrets", "prefix_of"]

SECRET_NAMES: Final = (
    "*_TOKEN",
    "*_SECRET",
    "*_PASSWORD",
    "*_API_KEY",
    "*_PRIVATE_KEY",
    "*_ACCESS_KEY",
    "*_CONNECTION_STRING",
)
"""What variables are called that hold secrets, as people who run CI systems found."""

LEAST_BYTES: Final = 6
TOKEN: Final = rb"[A-Za-z0-9_\-.+/=~%]"


class Secrets:
    """What is to be hidden in the output of one command."""

    def __init__(self, values: Iterable[str], prefixes: Sequence[str] = ()) -> None:
        self.forms = tuple(sorted({form for value in values for form in _forms(value)}))
        """Every text that is a secret or would give one away."""

        self.prefixes = tuple(prefix.encode() for prefix in prefixes)
        """Beginnings of further secrets."""

    @classmethod
    def of(
        cls,
        environment: Mapping[str, str],
        *,
        names: Sequence[str],
        patterns: Sequence[str],
    ) -> "Secrets":
        """Return the secrets of a command.

        Args:
            environment: its variables.
            names: of those that are secret; `*` stands for anything.
            patterns: beginnings of further secrets, each with a `*` behind it.
        """
        is_secret = _fits_one_of(tuple(names))
        values = [value for variable, value in environment.items() if is_secret(variable)]
        return cls(values, [prefix_of(pattern) for pattern in patterns])

    def __bool__(self) -> bool:
        return bool(self.forms or self.prefixes)


def prefix_of(pattern: str) -> str:
    """Return the beginning of secrets that `pattern` says.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    prefix = pattern.removesuffix("*")
    if len(prefix) < 2 or prefix == pattern or "*" in prefix or not prefix.isascii():  # noqa: PLR2004
        raise ValueError(
            f"a pattern is the beginning of secrets and a *, like ghp_*; not {pattern!r}"
        )
    return prefix


@lru_cache
def _fits_one_of(names: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, names)) or "(?!)").match


def _forms(value: str) -> Iterator[bytes]:
    for text in dict.fromkeys((value, *value.splitlines())):
        secret = text.strip().encode(errors="surrogateescape")
        if len(secret) >= LEAST_BYTES:
            yield from (form for form in _spellings(secret) if len(form) >= LEAST_BYTES)


def _spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    text = secret.decode(errors="replace")
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode(errors="replace")
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded.encode()
        yield re.sub("%..", lambda found: found[0].lower(), encoded).encode()
    for before in range(3):
        # Only the letters that are the secret's alone: those at the ends depend on its neighbours.
        shown = base64.b64encode(bytes(before) + secret)
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        yield shown[first:last]
        yield shown[first:last].translate(bytes.maketrans(b"+/", b"-_"))

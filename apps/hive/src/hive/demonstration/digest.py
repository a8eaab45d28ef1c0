"""Compile a Python file and print a digest of its code. As a program it needs nothing beside it.

`hive demo` runs this text in processes, and calls `digest_of` to know what they must say.
"""

import hashlib
import io
import sys
from types import CodeType
from typing import Any, cast

__all__ = ["digest_of"]


def digest_of(path: str) -> str:
    """Return a digest of what the file compiles to: equal for equal code, in every process."""
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    digest = hashlib.sha256()
    feed(digest, code)
    return digest.hexdigest()


def feed(digest: Any, value: object) -> None:
    """Put a code object, or a constant in one, into the digest."""
    digest.update(f"{type(value).__name__}(".encode())
    if isinstance(value, CodeType):
        digest.update(value.co_code)
        for part in (value.co_name, value.co_names, value.co_varnames, value.co_consts):
            feed(digest, part)
    elif isinstance(value, tuple):
        for part in cast("tuple[object, ...]", value):
            feed(digest, part)
    elif isinstance(value, frozenset):
        # Its order differs from process to process.
        digest.update(repr(sorted(map(repr, cast("frozenset[object]", value)))).encode())
    else:
        digest.update(repr(value).encode(errors="surrogatepass"))
    digest.update(b")")


if __name__ == "__main__":
    print(digest_of(sys.argv[1]))

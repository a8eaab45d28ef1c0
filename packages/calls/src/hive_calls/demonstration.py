"""Hive's own functions, for `hive demo` and the benchmarks: all that may be called by default.

They read what they are given and touch nothing else.
"""

import asyncio
import io
import keyword
import tokenize
from collections import Counter
from pathlib import Path
from typing import Any, Final

__all__ = ["count_tokens", "echo", "measure_lag", "noop"]

TICK_SECONDS: Final = 0.005


async def noop() -> dict[str, bool]:
    """Do nothing, in the worker's own loop: what is left is what Hive itself costs."""
    return {"ok": True}


async def measure_lag(seconds: float = 3.0) -> dict[str, float]:
    """Return how late the worker's own loop is to wake, for so long, every 5 ms.

    Returns:
        ticks: how often it was to wake.
        p50_ms, p99_ms, most_ms: by how many milliseconds it was late.
    """
    loop = asyncio.get_running_loop()
    end, late = loop.time() + seconds, list[float]()
    while (now := loop.time()) < end or not late:
        await asyncio.sleep(TICK_SECONDS)
        late.append(1000 * (loop.time() - now - TICK_SECONDS))
    late.sort()
    return {
        "ticks": len(late),
        "p50_ms": round(late[len(late) // 2], 2),
        "p99_ms": round(late[len(late) * 99 // 100], 2),
        "most_ms": round(late[-1], 2),
    }


def echo(value: Any = None) -> Any:
    """Return `value`, by way of a child process."""
    return value


def count_tokens(path: str) -> dict[str, Any]:
    """Return what the Python source file at `path` consists of.

    Equal files have equal counts, on whatever machine they are counted by the same Python.

    Returns:
        path: as given.
        lines: how many lines there are.
        tokens: how many tokens, the end marker and the encoding not counted.
        distinct_names: how many different identifiers, keywords not counted.
        kinds: tokens by kind, as `tokenize` names them; keywords apart from other names.

    Raises:
        OSError: the file cannot be read.
        SyntaxError: it is not Python, or not in the encoding that it claims.
        tokenize.TokenError: it ends within a bracket or a string.
    """
    source = Path(path).read_bytes()
    kinds: Counter[str] = Counter()
    names: set[str] = set()
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type in {tokenize.ENCODING, tokenize.ENDMARKER}:
            continue
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            kinds["KEYWORD"] += 1
            continue
        if token.type == tokenize.NAME:
            names.add(token.string)
        kinds[tokenize.tok_name[token.type]] += 1
    return {
        "path": path,
        "lines": len(source.splitlines()),
        "tokens": kinds.total(),
        "distinct_names": len(names),
        "kinds": dict(sorted(kinds.items())),
    }

"""How large a value may be that travels with a task, and what to tell who has a larger one.

The queue's rows are read and written by the thousand: what is larger belongs into a file.
"""

from typing import Final

__all__ = ["MAX_VALUE_BYTES", "oversize"]

MAX_VALUE_BYTES: Final = 1024 * 1024
"""Of a payload or of a result, as JSON in UTF-8."""

MOST_BYTES_OF_A_CHARACTER: Final = 4


def oversize(encoded: str) -> str | None:
    """Return how large a value is and how large it may be; None if it is not too large."""
    if len(encoded) * MOST_BYTES_OF_A_CHARACTER <= MAX_VALUE_BYTES:
        return None
    size_bytes = len(encoded.encode())
    if size_bytes <= MAX_VALUE_BYTES:
        return None
    return f"is {size_bytes:,} bytes; at most {MAX_VALUE_BYTES:,} (1 MiB) are kept"

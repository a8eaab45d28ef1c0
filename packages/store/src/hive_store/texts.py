"""Text made fit for Postgres, so that one bad character does not cost a whole batch."""

from typing import overload

__all__ = ["storable_text"]


@overload
def storable_text(text: str) -> str: ...


@overload
def storable_text(text: None) -> None: ...


def storable_text(text: str | None) -> str | None:
    """Return `text` with what Postgres cannot hold, NUL and lone surrogates, spelled out."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")

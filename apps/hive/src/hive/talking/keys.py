"""Keys by their names, as a terminal sends them."""

from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["DETACH", "bytes_of"]

DETACH: Final = b"\x11"
"""Ctrl-Q."""

NAMED: Final = {
    "enter": b"\r",
    "tab": b"\t",
    "escape": b"\x1b",
    "space": b" ",
    "backspace": b"\x7f",
    "delete": b"\x1b[3~",
    "insert": b"\x1b[2~",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "page-up": b"\x1b[5~",
    "page-down": b"\x1b[6~",
}
CONTROL: Final = "ctrl-"


def bytes_of(key: str, *, has_terminal: bool) -> bytes:
    """Return what the key sends; without a terminal, which would translate it, enter ends a line.

    Raises:
        ConfigurationError: no key is called so.
    """
    name = key.lower()
    if name == "enter" and not has_terminal:
        return b"\n"
    if name in NAMED:
        return NAMED[name]
    letter = name.removeprefix(CONTROL)
    if name.startswith(CONTROL) and len(letter) == 1 and letter.isascii() and letter.isalpha():
        return bytes([ord(letter) - ord("a") + 1])
    known = ", ".join(sorted(NAMED))
    raise ConfigurationError(f"no key is called {key!r}; keys: {known}, ctrl-a to ctrl-z")

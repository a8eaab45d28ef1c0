"""Text of programs and tasks made fit for a screen: nothing in it moves a cursor."""

import re
from typing import Final

__all__ = ["SEQUENCE", "one_line", "printable"]

SEQUENCE: Final = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]"  # CSI: colours and movements
    rb"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: titles and links
    rb"|[ -/]+[0-~]"  # character sets
    rb"|[0-OQ-WYZ\\`-~]"  # all others of two bytes
    rb")"
)
"""Source: ECMA-48, 5.2 to 5.6, and the BEL by which xterm lets an OSC end."""


def printable(text: str) -> str:
    """Return `text` with a blank for each character that is not printed: escapes, line ends."""
    return "".join(c if c.isprintable() else " " for c in text)


def one_line(text: str) -> str:
    """Return the same on one line, its white space drawn together."""
    return " ".join(printable(text).split())

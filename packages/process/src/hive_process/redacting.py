"""Hide secrets in a stream of output, wherever the borders of its pieces fall.

What may be the beginning of a secret is held back until the next piece, or the end, shows what it
is: less than the longest secret is long. Everything else is passed on at once, so that a
prompt without an end of line is seen. Secrets that overlap are hidden as one.
"""

import re
from collections.abc import Iterable, Iterator

from hive_process.secrets import TOKEN, Secrets

__all__ = ["MASK", "Redactor"]

MASK = b"[hidden]"

_token_run = re.compile(TOKEN + rb"*")


class Redactor:
    """Hides secrets in one stream."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = b""
        self._before = b""
        """The byte before what is held back: a pattern does not begin in the middle of a word."""

        self._is_masked = False
        """Whether that byte was hidden: what is hidden next to it needs no mask of its own."""

        self._to_hide = 0
        """How much of what is held back belongs to a secret that began before it."""

        self._goes_on = False
        """Whether what fits a pattern reaches up to the end of what is known."""

    def feed(self, data: bytes) -> bytes:
        """Return what may be passed on, now that `data` has come."""
        return self._pass_on(data, is_last=False)

    def end(self) -> bytes:
        """Return what was held back: nothing more comes."""
        return self._pass_on(b"", is_last=True)

    def _pass_on(self, data: bytes, *, is_last: bool) -> bytes:
        text = self._held + data
        spans = list(_united(self._spans(text)))
        border = len(text) if is_last else self._open_from(text)
        passed, done = bytearray(), 0
        for begin, end in spans:
            if begin >= border:
                break
            passed += text[done:begin]
            if begin or not self._is_masked:
                passed += MASK
            done = end
        passed += text[done:border]
        if border:
            self._to_hide = max(0, done - border)
            self._is_masked = done >= border
            self._before = text[border - 1 : border]
        elif self._is_masked and spans and not spans[0][0]:
            self._to_hide = spans[0][1]
        self._held = text[border:]
        return bytes(passed)

    def _spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Give what is to be hidden, in no order."""
        begun = self._to_hide
        if self._goes_on:
            begun = _end_of_token(text, begun)
        self._goes_on = self._goes_on and begun == len(text)
        if begun:
            yield 0, begun
        for form in self._secrets.forms:
            for begin in _places(text, form):
                yield begin, begin + len(form)
        for prefix in self._secrets.prefixes:
            yield from self._tokens(text, prefix)

    def _tokens(self, text: bytes, prefix: bytes) -> Iterator[tuple[int, int]]:
        end = 0
        for begin in _places(text, prefix):
            before = text[begin - 1 : begin] if begin else self._before
            if before.isalnum():
                continue
            start = begin + len(prefix)
            # Within the last token there is no need to look for its end again.
            end = end if start <= end else _end_of_token(text, start)
            if end > start:
                self._goes_on = self._goes_on or end == len(text)
                yield begin, end

    def _open_from(self, text: bytes) -> int:
        """Return from where on `text` may be the beginning of something that is to be hidden."""
        border = len(text)
        for form in self._secrets.forms:
            border = min(border, _beginning_at_end(text, form, most=len(form) - 1))
        for prefix in self._secrets.prefixes:
            border = min(border, _beginning_at_end(text, prefix, most=len(prefix)))
        return border


def _end_of_token(text: bytes, start: int) -> int:
    found = _token_run.match(text, start)
    return start if found is None else found.end()


def _places(text: bytes, part: bytes) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _beginning_at_end(text: bytes, whole: bytes, *, most: int) -> int:
    """Return where the end of `text` is the beginning of `whole`, of at most `most` bytes."""
    place = text.find(whole[:1], max(0, len(text) - most))
    while place >= 0:
        if whole.startswith(text[place:]):
            return place
        place = text.find(whole[:1], place + 1)
    return len(text)


def _united(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Give `spans` in order, those that touch as one."""
    begin, end = -1, -1
    for next_begin, next_end in sorted(spans):
        if next_begin <= end:
            end = max(end, next_end)
            continue
        if end >= 0:
            yield begin, end
        begin, end = next_begin, next_end
    if end >= 0:
        yield begin, end

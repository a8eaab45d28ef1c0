"""Text to numbers and back: by characters, by pieces, or by a `tokenizer.json` (BPE, WordPiece).

A model's numbers become text one by one, as they are made, and a character may need several. So
text is taken from a `TextStream`, which holds back what is not whole yet.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from hive_inference.errors import InferenceError, WeightsError

__all__ = ["CharacterTokenizer", "FileTokenizer", "PieceTokenizer", "TextStream", "Tokenizer"]

_UNFINISHED: Final = "\N{REPLACEMENT CHARACTER}"
"""What a decoder writes for bytes that are no character, or not yet."""

_MOST_BYTES: Final = 4
"""Of a character, each of which may be a number of its own."""


class Tokenizer(Protocol):
    """A way to write text as numbers."""

    @property
    def size(self) -> int:
        """Return how many numbers there are: they run from 0 to one less."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the numbers of `text`, with those that the model wants around it."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens`, special ones left out."""
        ...


class CharacterTokenizer:
    """One number for each character of an alphabet; another character counts as a stand-in."""

    def __init__(self, alphabet: str, *, stand_in: str = " ") -> None:
        """Number the characters in the order of `alphabet`.

        Raises:
            WeightsError: a character is there twice, or the stand-in is none of them.
        """
        self._characters = alphabet
        self._numbers: Mapping[str, int] = MappingProxyType(
            {character: number for number, character in enumerate(alphabet)}
        )
        if len(self._numbers) != len(alphabet):
            raise WeightsError("the alphabet has a character twice")
        if stand_in not in self._numbers:
            raise WeightsError(f"the stand-in {stand_in!r} is not in the alphabet")
        self._stand_in = self._numbers[stand_in]

    @property
    def size(self) -> int:
        """Return the number of characters."""
        return len(self._characters)

    def encode(self, text: str) -> list[int]:
        """Return one number for each character."""
        return [self._numbers.get(character, self._stand_in) for character in text]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return one character for each number."""
        return "".join(self._characters[token] for token in tokens)


class PieceTokenizer:
    """One number for each piece of text; of several that fit, the longest is taken.

    It is fixed by a list of texts alone, and needs no library. A character that begins no piece
    counts as a stand-in.
    """

    def __init__(self, pieces: Sequence[str], *, stand_in: str = " ") -> None:
        """Number the pieces in their order.

        Raises:
            WeightsError: a piece is empty or there twice, or the stand-in is none of them.
        """
        self._pieces = tuple(pieces)
        self._numbers: Mapping[str, int] = MappingProxyType(
            {piece: number for number, piece in enumerate(pieces)}
        )
        if len(self._numbers) != len(self._pieces) or "" in self._numbers:
            raise WeightsError("the list of pieces has an empty one, or one twice")
        if stand_in not in self._numbers:
            raise WeightsError(f"the stand-in {stand_in!r} is not among the pieces")
        self._stand_in = self._numbers[stand_in]
        self._longest = max(map(len, pieces))

    @property
    def size(self) -> int:
        """Return the number of pieces."""
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the pieces, from left to right the longest that fits."""
        tokens: list[int] = []
        place = 0
        while place < len(text):
            token, length = self._first(text[place : place + self._longest])
            tokens.append(token)
            place += length
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the pieces, one after another."""
        return "".join(self._pieces[token] for token in tokens)

    def _first(self, text: str) -> tuple[int, int]:
        for length in range(len(text), 0, -1):
            if (number := self._numbers.get(text[:length])) is not None:
                return number, length
        return self._stand_in, 1


class FileTokenizer:
    """What a `tokenizer.json` describes, by the `tokenizers` library."""

    def __init__(self, path: Path) -> None:
        """Read `path`.

        Raises:
            InferenceError: the library is not installed.
            WeightsError: the file is missing, or is no tokenizer.
        """
        try:
            library: Any = importlib.import_module("tokenizers")
        except ImportError as error:
            raise InferenceError(
                f"{path} needs the tokenizers library: pip install 'hive-inference[tokenizers]'"
            ) from error
        try:
            described = path.read_text(encoding="utf-8")
            self._tokenizer = library.Tokenizer.from_str(described)
        except Exception as error:
            raise WeightsError(f"{path} is no tokenizer: {error}") from error
        # A batch is packed without padding and cut by the model's own limit.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @property
    def size(self) -> int:
        """Return how many numbers there are, added ones counted."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Return the numbers of `text`, with the special ones that the file puts around it."""
        return self._tokenizer.encode(text).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens`, special ones left out."""
        return self._tokenizer.decode(list(tokens))


class TextStream:
    """The text of numbers that come one by one.

    A number's text can depend on the one before it (a leading space), so the last piece that was
    given out is decoded along with what is new, and taken off again.
    """

    def __init__(self, tokenizer: Tokenizer, *, after: Sequence[int] = ()) -> None:
        """Begin behind the numbers `after`, whose text is not given out again."""
        self._tokenizer = tokenizer
        self._given = self._end_of(after)
        self._held: list[int] = []

    def push(self, token: int) -> str:
        """Return the text that `token` completes; empty if it completes none."""
        self._held.append(token)
        text = self._tokenizer.decode(self._given + self._held)
        return "" if text.endswith(_UNFINISHED) else self._give(text)

    def finish(self) -> str:
        """Return what was held back, whole or not."""
        return self._give(self._tokenizer.decode(self._given + self._held)) if self._held else ""

    def _end_of(self, tokens: Sequence[int]) -> list[int]:
        """Return the fewest last ones of `tokens` that have a text, and one of whole characters."""
        end: list[int] = []
        for count in range(1, min(len(tokens), _MOST_BYTES) + 1):
            end = list(tokens[-count:])
            text = self._tokenizer.decode(end)
            if text and not text.startswith(_UNFINISHED):
                break
        return end

    def _give(self, text: str) -> str:
        before = self._tokenizer.decode(self._given)
        self._given, self._held = self._held, []
        return text[len(before) :]

"""A speaker that says what it was told to, so that texts of any form can be tried."""

from collections.abc import AsyncGenerator, Sequence

from hive_inference.messages import End, Ended, Generate, Piece
from hive_verse.harmonix import Harmonix


class Scripted:
    """Says one text for each request, in pieces of a few characters; the last one again and again.

    A text that ends in "=" ended of itself, as the model's do; another was cut off.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self.asked: list[Generate] = []

    async def generate(self, ask: Generate) -> AsyncGenerator[Piece | Ended]:
        text = self.texts[min(len(self.asked), len(self.texts) - 1)]
        self.asked.append(ask)
        said = text.removesuffix("=")
        for at in range(0, len(said), 5):
            yield Piece(number=1, text=said[at : at + 5], tokens=at)
        yield Ended(number=1, end=End.LENGTH if said == text else End.FINISHED)


def lines(count: int, start: int = 1) -> list[str]:
    """Return so many lines that may stand, none like another."""
    names = ["One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"]
    return [
        f"{names[at % 10]} and {names[at // 10].lower()} are the hours that I have told to thee"
        for at in range(start, start + count)
    ]


async def kept_lines(cloud: Harmonix, number: int) -> list[str]:
    """Return the lines of the text of this id, as its cloud has them."""
    statement = "select text from lines where text_id = ? order by number"
    async with cloud.database.reading():
        return [line for (line,) in await cloud.database.rows(statement, number)]

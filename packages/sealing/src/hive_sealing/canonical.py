"""One sequence of bytes for a JSON value, whoever has written it and however.

Postgres' jsonb keeps the value and not its text: keys come back in another order, numbers without
their exponents. What is signed is therefore a form that both ends make of the value:

    keys sorted, no white space, text in ASCII with escapes
    a number as its digits and a power of ten: 1, 1.0 and 10e-1 are all 1e0
"""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any, Final, cast

from hive_contracts.errors import MalformedMessageError

__all__ = ["canonical", "exactly"]


def _refuse_constant(name: str) -> Decimal:
    raise ValueError(f"{name} is no number of JSON")


_decoder: Final = json.JSONDecoder(
    parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse_constant
)


def exactly(text: str) -> Any:
    """Return the value of a JSON text, its numbers as decimals, so that none is rounded.

    Raises:
        MalformedMessageError: it is not JSON, or nested too deeply.
    """
    try:
        return _decoder.decode(text)
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise MalformedMessageError(f"not JSON: {error}") from error


def canonical(*values: Any) -> bytes:
    """Return the canonical form of a list of values, each a text or from `exactly`.

    Raises:
        MalformedMessageError: one is nested too deeply.
    """
    try:
        return "".join(_pieces(list(values))).encode()
    except RecursionError as error:
        raise MalformedMessageError("a value is nested too deeply") from error


def _pieces(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield "{"
            members = sorted(cast("dict[str, Any]", value).items(), key=itemgetter(0))
            for place, (key, item) in enumerate(members):
                yield f"{',' if place else ''}{json.dumps(key)}:"
                yield from _pieces(item)
            yield "}"
        case list():
            yield "["
            for place, item in enumerate(cast("list[Any]", value)):
                yield "," if place else ""
                yield from _pieces(item)
            yield "]"
        case Decimal():
            yield _number(value)
        case _:
            yield json.dumps(value)


def _number(value: Decimal) -> str:
    if not value:
        return "0"
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    power = int(exponent) + len(text) - len(significant)
    return f"{'-' if sign else ''}{significant}e{power}"

"""Both ends make the same bytes of a value, though Postgres writes it anew in between."""

from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hive_contracts.errors import MalformedMessageError
from hive_contracts.wire import encode_json
from hive_sealing.canonical import canonical, exactly

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=VALUES)
async def test_a_value_that_postgres_has_kept_is_the_same_value(
    database: "asyncpg.Connection[Any]", value: object
) -> None:
    text = encode_json(value)
    kept: str = await database.fetchval("select $1::text::jsonb::text", text)
    assert canonical(exactly(kept)) == canonical(exactly(text))


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("1", "1.0"),
        ("1e22", "10000000000000000000000"),
        ("-0.0", "0"),
        ("0.10", "1E-1"),
        ('{"b": 1, "a": [2]}', '{"a":[2],"b":1}'),
        ('"\\u00e4"', '"ä"'),
    ],
)
def test_equal_values_have_one_form(one: str, another: str) -> None:
    assert canonical(exactly(one)) == canonical(exactly(another))


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("1", "10"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.1000000000000000055511151231257827"),
        ('"1"', "1"),
        ("null", '"null"'),
        ("true", "1"),
        ("[1,2]", "[12]"),
        ('["a","b"]', '["a\\",\\"b"]'),
        ('{"a":{"b":1}}', '{"a":{},"b":1}'),
        ("[[],[]]", "[[[]]]"),
    ],
)
def test_values_that_differ_have_forms_that_differ(one: str, another: str) -> None:
    assert canonical(exactly(one)) != canonical(exactly(another))


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        canonical(exactly(text))

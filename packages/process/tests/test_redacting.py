"""No secret leaves the worker, however its output is cut into pieces, and nothing else is lost."""

import base64
import json
from itertools import pairwise
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_process.redacting import MASK, Redactor
from hive_process.secrets import SECRET_NAMES, Secrets, prefix_of

SECRET = 'pa$$ wörd/+?~"1'
PATTERNS = ["ghp_", "Bearer "]


def hidden(secrets: Secrets, *pieces: bytes) -> bytes:
    redactor = Redactor(secrets)
    return b"".join([*map(redactor.feed, pieces), redactor.end()])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in pairwise(borders)]


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
    ],
)
def test_a_secret_is_hidden_in_every_spelling_and_in_every_cut(spelled: str):
    data = f"before {spelled} after".encode()
    for place in range(len(data) + 1):
        assert hidden(Secrets([SECRET]), data[:place], data[place:]) == b"before [hidden] after"
    assert hidden(Secrets([SECRET]), *(data[i : i + 1] for i in range(len(data)))) == (
        b"before [hidden] after"
    )


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("user", ["", "u", "us", "use", "user:"])
@pytest.mark.parametrize("rest", ["", "x", "xy", "xyz"])
def test_base64_hides_nothing_wherever_the_secret_stands_in_it(encode: Any, user: str, rest: str):
    shown = encode(f"{user}{SECRET}{rest}".encode())
    said = hidden(Secrets([SECRET]), b"Basic " + shown)
    assert said.count(MASK) == 1
    left = said.replace(b"Basic ", b"").replace(MASK, b"")
    # What is left are the letters of the neighbours, with at most a few bits of the secret.
    assert len(left) <= len(shown) - (len(SECRET.encode()) * 8 // 6 - 1)


def test_each_line_of_a_secret_is_one():
    key = "-----BEGIN-----\nabcdefgh\nij\n-----END KEY-----\n"
    said = hidden(Secrets([key]), b"1 abcdefgh 2 ij 3 -----END KEY-----")
    assert said == b"1 [hidden] 2 ij 3 [hidden]"


def test_words_are_no_secrets():
    assert not Secrets(["", "yes", "12345"])
    assert hidden(Secrets(["secret", "no"]), b"no secret") == b"no [hidden]"


def test_secrets_that_overlap_are_hidden_as_one():
    for pieces in ([b"xabcdefghijy"], [b"xabcdef", b"ghijy"], [b"xabcdefghi", b"jy"]):
        assert hidden(Secrets(["abcdefgh", "defghij"]), *pieces) == b"x[hidden]y"


def test_only_what_may_be_the_beginning_of_a_secret_is_held_back():
    redactor = Redactor(Secrets(["password1"]))
    assert redactor.feed(b"Continue? ") == b"Continue? "
    assert redactor.feed(b"your pass") == b"your "
    assert redactor.feed(b"port") == b"passport"
    assert redactor.feed(b"passw") == b""
    assert redactor.end() == b"passw"


def test_what_begins_as_a_pattern_says_is_hidden_up_to_its_end():
    secrets = Secrets([], PATTERNS)
    data = b"a ghp_x-1.Y/z= b Bearer abc,def ghp_ xghp_1 ghp_2"
    wanted = b"a [hidden] b [hidden],def ghp_ xghp_1 [hidden]"
    for place in range(len(data) + 1):
        assert hidden(secrets, data[:place], data[place:]) == wanted


@given(
    data=st.lists(
        st.sampled_from(
            [
                b"abcdef",
                b"cdefgh",
                b"aaaaaa",
                b"a",
                b"ghp_",
                b"gh",
                b"Bearer ",
                b" ",
                b"\n",
                b"\xff",
                b"x",
            ]
        ),
        max_size=30,
    ).map(b"".join),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_where_the_pieces_end_makes_no_difference(data: bytes, places: list[int]):
    secrets = Secrets(["abcdef", "cdefgh", "aaaaaa"], PATTERNS)
    whole = hidden(secrets, data)
    assert hidden(secrets, *cut(data, places)) == whole
    assert not any(form in whole for form in (b"abcdef", b"cdefgh", b"aaaaaa"))


@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=8))
def test_what_holds_no_secret_is_passed_on_byte_by_byte(data: bytes, places: list[int]):
    secrets = Secrets(["no such secret"], ["ghp_"])
    assert hidden(secrets, *cut(data, places)) == data


def test_little_is_held_back_of_what_looks_like_secrets_for_ever():
    redactor = Redactor(Secrets(["a" * 1000 + "b"], ["a-"]))
    passed = sum(len(redactor.feed(b"a" * 65536)) for _ in range(8))
    assert passed > 8 * 65536 - 2000
    redactor = Redactor(Secrets([], ["a-"]))
    assert [redactor.feed(b"a-" * 30_000) for _ in range(3)] == [MASK, b"", b""]


def test_the_values_of_variables_that_are_called_like_secrets_are_secrets():
    environment = {"GITHUB_TOKEN": "t0ken-value", "DB_PASSWORD": "p4ssword", "PATH": "/usr/bin"}
    secrets = Secrets.of(environment, names=SECRET_NAMES, patterns=["ghp_*"])
    assert hidden(secrets, b"t0ken-value p4ssword /usr/bin ghp_1") == (
        b"[hidden] [hidden] /usr/bin [hidden]"
    )
    assert not Secrets.of({"PATH": "/usr/bin"}, names=SECRET_NAMES, patterns=[])


@pytest.mark.parametrize("pattern", ["", "*", "g*", "ghp_", "gh*p_*", "ü_*"])
def test_a_pattern_that_would_hide_everything_or_nothing_is_refused(pattern: str):
    with pytest.raises(ValueError, match="a pattern is the beginning of secrets"):
        prefix_of(pattern)

"""What goes over the wire comes back the same, and what Postgres cannot hold never sets out."""

import json
import math
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.bundles import Bundle
from hive_contracts.errors import (
    MalformedMessageError,
    MalformedPayloadError,
    UnstorableValueError,
)
from hive_contracts.events import (
    CancelRequest,
    Cursor,
    Event,
    EventFrame,
    EventType,
    LeaseChange,
    LeaseFrame,
)
from hive_contracts.ids import LeaseId, QueenId, TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, ParentResult, WhenBusy
from hive_contracts.wire import (
    Payload,
    decode_bundle,
    decode_frame,
    decode_json,
    decode_new_tasks,
    decode_parents,
    decode_payload,
    encode_bundle,
    encode_frame,
    encode_json,
)

texts = st.text(st.characters(codec="utf-8"))
task_ids = st.integers(1, 2**63 - 1).map(TaskId)
lease_ids = st.uuids().map(LeaseId)
seconds = st.floats(0, 1e9)
cursors = st.builds(Cursor, st.integers(0, 2**62), st.integers(0, 2**63 - 1))
events = st.builds(
    Event,
    type=st.sampled_from(EventType),
    task_ids=st.lists(task_ids, max_size=5).map(tuple),
    attempts=st.lists(st.integers(1, 99), max_size=5).map(tuple),
    reason=st.none() | texts,
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    cursor=st.none() | cursors,
)
changes = st.builds(
    LeaseChange, lease_id=lease_ids, queen_id=st.uuids().map(QueenId), open=st.integers(0, 9999)
)
frames = st.one_of(
    st.builds(EventFrame, st.lists(events, max_size=4).map(tuple)),
    st.builds(
        LeaseFrame,
        changes=st.lists(changes, max_size=4).map(tuple),
        run_seconds=st.dictionaries(texts, st.tuples(st.integers(0, 9999), seconds), max_size=3),
    ),
    st.builds(CancelRequest, st.lists(task_ids, max_size=5).map(tuple)),
)
bundles = st.builds(Bundle, lease_id=lease_ids, queue=texts, size=st.integers(1, 10_000))
storable_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
storable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable_texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(storable_texts, inner, max_size=4),
    max_leaves=20,
)


@dataclass(frozen=True, slots=True)
class Inner:
    value: Any


@dataclass(frozen=True, slots=True)
class Where:
    kind: Literal["here", "there"]


@dataclass(frozen=True, slots=True)
class Wanted:
    argv: list[str]
    cwd: str | None = None
    place: Where | None = None
    env: dict[str, str] = field(default_factory=dict[str, str])


class Quick(Payload, frozen=True, kw_only=True):
    argv: list[str]
    cwd: str | None = None


class QuickWithin(Quick, frozen=True, kw_only=True):
    place: Where | None = None


@given(frames)
def test_every_frame_survives_the_wire(frame: Any) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@given(bundles)
def test_every_bundle_survives_the_wire(bundle: Bundle) -> None:
    assert decode_bundle(encode_bundle(bundle)) == bundle


@given(storable)
def test_every_storable_value_survives_json(value: Any) -> None:
    assert decode_json(encode_json(value)) == value


@given(storable)
def test_json_means_to_others_what_it_means_to_us(value: Any) -> None:
    assert json.loads(encode_json(value)) == value


def wrapped(value: Any) -> list[Any]:
    """Where a value can hide."""
    return [value, [None, value], {"a": {"b": [1, value]}}, Inner(value), [Inner(Inner([value]))]]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("depth", range(5))
def test_a_number_that_json_does_not_know_is_refused_not_made_null(
    number: float, depth: int
) -> None:
    with pytest.raises(UnstorableValueError, match="not JSON compliant"):
        encode_json(wrapped(number)[depth])


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\\0", "\\\\u0000 \0"])
@pytest.mark.parametrize("depth", range(5))
def test_a_nul_is_refused_wherever_it_is(text: str, depth: int) -> None:
    with pytest.raises(UnstorableValueError, match="NUL"):
        encode_json(wrapped(text)[depth])
    with pytest.raises(UnstorableValueError, match="NUL"):
        encode_json({text: 1})


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "null", "\\", 'x"\\u0000'])
def test_a_text_that_only_looks_like_a_nul_is_kept(text: str) -> None:
    for value in (text, {text: None}):
        assert decode_json(encode_json(value)) == value


@pytest.mark.parametrize("value", ["\ud800", "a\udfff", ["x", {"\udc80": 1}]])
def test_a_lone_surrogate_is_refused(value: object) -> None:
    with pytest.raises(UnstorableValueError, match="text that is not UTF-8"):
        encode_json(value)


def test_a_big_number_is_kept_and_a_monstrous_one_refused() -> None:
    assert decode_json(encode_json({"n": 10**30})) == {"n": 10**30}
    with pytest.raises(UnstorableValueError, match="digits"):
        encode_json({"n": 10**5000})


def test_what_json_has_no_word_for_is_refused() -> None:
    for value in (object(), {(1, 2): 3}, {None: 1}):
        with pytest.raises(UnstorableValueError):
            encode_json(value)


def test_a_value_without_an_end_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UnstorableValueError, match="nested too deeply"):
        encode_json(circle)


def test_dataclasses_are_kept_as_objects() -> None:
    value = Inner([Inner(None), Inner({"x": Inner(1.5)})])
    assert decode_json(encode_json(value)) == {
        "value": [{"value": None}, {"value": {"x": {"value": 1.5}}}]
    }


@pytest.mark.parametrize(
    "text", ["", "[1,", "NaN", '{"a":}', b"\xff", '"\\ud800"', "1e999", "[" * 100_000]
)
def test_what_is_not_json_is_refused_with_a_reason(text: str | bytes) -> None:
    with pytest.raises(MalformedMessageError, match=r"^not JSON: \w+"):
        decode_json(text)


def test_a_payload_becomes_the_type_of_its_kind() -> None:
    payload = decode_payload("command", '{"argv":["true"],"cwd":"/"}', Wanted)
    assert payload == Wanted(["true"], "/")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"argv":["true"],"cwdd":"/"}', "no field 'cwdd'; fields: argv, cwd, env, place"),
        (
            "{}",
            r"""lacks the field 'argv', as in {"argv": \["..."\]}; fields: argv, cwd, env, place""",
        ),
        ('{"argv":["a"],"place":{}}', r"""lacks the field 'place.kind', as in {"kind": "here"};"""),
        ('{"argv":["a"],"place":{"kind":"here","x":1}}', "no field 'place.x'; fields: kind"),
        ('{"argv":"true"}', r"\$.argv"),
        ('{"argv":["a", 1]}', r"\$.argv\[1\]"),
        ("[]", "Expected `object`"),
        ("nonsense", "malformed"),
        (b"\xff", "malformed"),
        ("[" * 100_000, "Expected `object`"),
        ('{"argv":' + "[" * 100_000, "recursion"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_with_the_field_named(
    payload: str | bytes, reason: str
) -> None:
    with pytest.raises(
        MalformedPayloadError, match=f"^the payload does not suit kind 'command': .*{reason}"
    ):
        decode_payload("command", payload, Wanted)


@pytest.mark.parametrize("into", [Quick, QuickWithin])
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"argv":["true"],"cwdd":"/"}', "no field 'cwdd'; fields: argv, cwd"),
        ("{}", r"""lacks the field 'argv', as in {"argv": \["..."\]}; fields: argv, cwd"""),
        ('{"argv":"true"}', r"\$.argv"),
        ('{"argv":["a"],"$sealed":1}', "set sealing.key_dir"),
        ("nonsense", "malformed"),
    ],
)
def test_a_payload_of_a_quick_type_is_refused_in_the_same_words(
    into: type[Payload], payload: str, reason: str
) -> None:
    with pytest.raises(MalformedPayloadError, match=reason):
        decode_payload("command", payload, into)


def test_a_quick_type_with_others_within_refuses_what_these_have_no_field_for() -> None:
    with pytest.raises(MalformedPayloadError, match=r"no field 'place\.x'; fields: kind"):
        decode_payload("command", '{"argv":["a"],"place":{"kind":"here","x":1}}', QuickWithin)


NESTED = b"\x91" * 100_000 + b"\xc0"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"GET / HTTP/1.1",
        msgspec.msgpack.encode(["EventFrame"]),
        msgspec.msgpack.encode(["EventFrame", {"events": [{"type": "exploded", "task_ids": []}]}]),
        msgspec.msgpack.encode(["CancelRequest", {"task_ids": ["one"]}]),
        msgspec.msgpack.encode(["CancelRequest", {}]),
        msgspec.msgpack.encode([7, {}]),
        b"\x92\xadCancelRequest\x82\xa8task_ids\x90\xa1x" + NESTED,
        NESTED,
    ],
)
def test_a_message_that_is_no_frame_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedMessageError, match=r"^not a frame: "):
        decode_frame(message)


def test_a_frame_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(MalformedMessageError, match=r"^no frame is called 'Surprise'$"):
        decode_frame(msgspec.msgpack.encode(["Surprise", {}]))


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_be_refused(message: bytes) -> None:
    for decode in (decode_frame, decode_bundle, decode_json):
        with suppress(MalformedMessageError):
            decode(message)


@pytest.mark.parametrize("message", [b"", b"x", msgspec.msgpack.encode({"queue": "q"}), NESTED])
def test_a_message_that_is_no_bundle_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedMessageError, match=r"^not a bundle: "):
        decode_bundle(message)


def test_a_frame_of_a_newer_hive_with_one_more_field_is_still_read() -> None:
    message = msgspec.msgpack.encode(["CancelRequest", {"task_ids": [1], "why": "new"}])
    assert decode_frame(message) == CancelRequest((TaskId(1),))


def test_every_field_of_a_task_survives_as_json() -> None:
    moment = datetime(2030, 1, 31, 17, tzinfo=UTC)
    task = NewTask(
        kind="call", payload={"at": [1, None]}, queue="q", priority=3, run_at=moment,
        max_attempts=2, max_losses=0, timeout=timedelta(seconds=90), group="g", key="k",
        when_busy=WhenBusy.REPLACE, unique_key="u", unique_for=timedelta(hours=1),
        expires_at=moment, name="n", after=(TaskId(1), "m"), if_parent_fails="run", retry="1s, 10s",
        needs=("gpu",), breaker="p:a", slots=2,
        silence_timeout=timedelta(seconds=30),
    )  # fmt: skip
    plain = NewTask(kind="none")
    alike = [f.name for f in fields(task) if getattr(task, f.name) == getattr(plain, f.name)]
    assert alike == [], "give a field that is new another value than its default"
    for given_task in (task, plain, NewTask(kind="call", unique_key="u", unique_for="waiting")):
        [found] = decode_new_tasks(decode_json(encode_json([given_task])))
        assert replace(found, after=tuple(found.after)) == given_task


@pytest.mark.parametrize(
    "values", [{"kind": "call"}, [1], [{}], [{"kind": 1}], [{"kind": "call", "colour": "red"}]]
)
def test_what_are_no_tasks_is_refused(values: object) -> None:
    with pytest.raises(MalformedMessageError, match="not tasks"):
        decode_new_tasks(values)


def test_parents_survive_as_json() -> None:
    parent = ParentResult(
        id=TaskId(1), state=TaskState.FAILED, result={"a": 1}, is_left_out=False, error="no"
    )
    assert decode_parents(decode_json(encode_json([parent]))) == [parent]
    with pytest.raises(MalformedMessageError, match="not parents"):
        decode_parents([{"id": 1}])

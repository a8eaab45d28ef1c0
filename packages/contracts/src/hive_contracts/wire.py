"""Values as bytes: payloads and results as JSON, frames and bundles as msgpack.

The only module that imports msgspec. The tables of types are closed: nothing is looked up by a name
that came over the wire, other than in them. A message from a newer Hive is refused with a reason,
not guessed at.
"""

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import (
    Any,
    Final,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from hive_contracts.bundles import Bundle
from hive_contracts.errors import (
    MalformedMessageError,
    MalformedPayloadError,
    UnstorableValueError,
)
from hive_contracts.events import Frame
from hive_contracts.tasks import NewTask, ParentResult, Question, UniqueFor

__all__ = [
    "Payload",
    "Struct",
    "decode_bundle",
    "decode_frame",
    "decode_json",
    "decode_new_tasks",
    "decode_parents",
    "decode_payload",
    "decode_questions",
    "encode_bundle",
    "encode_frame",
    "encode_json",
]

PayloadT = TypeVar("PayloadT")

FRAMES: Final = {kind.__name__: kind for kind in get_args(Frame)}
"""Every frame, by the name it has on the wire."""

_json_encoder: Final = msgspec.json.Encoder()
_json_decoder: Final = msgspec.json.Decoder()
_strict_encoder: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
_payload_fields: Final = msgspec.json.Decoder(dict[str, Any])
_pack: Final = msgspec.msgpack.Encoder()
_unpack_envelope: Final = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_unpack_bundle: Final = msgspec.msgpack.Decoder(Bundle)
_unpack_frame: Final = {name: msgspec.msgpack.Decoder(kind) for name, kind in FRAMES.items()}


def encode_json(value: object) -> str:
    """Return `value` as JSON that Postgres can store as jsonb.

    msgspec is eight times as fast as the standard library (0.19 against 1.6 µs for a small object)
    but writes NaN as null; so a text with `null` or an escaped NUL in it is looked at again.

    Raises:
        UnstorableValueError: JSON or Postgres cannot hold it; the message says what.
    """
    try:
        if value is None:
            return "null"
        encoded = _json_encoder.encode(value)
        if b"null" in encoded or b"\\u0000" in encoded:
            _refuse_what_jsonb_cannot_hold(value)
        return encoded.decode()
    except UnicodeEncodeError as error:
        # What the command line or a file name had of bytes that are no UTF-8.
        found = error.object[error.start : error.end]
        raise UnstorableValueError(f"it holds text that is not UTF-8, {found!r}") from error
    except RecursionError as error:
        raise UnstorableValueError("it is nested too deeply to be stored as JSON") from error
    except (TypeError, ValueError) as error:
        raise UnstorableValueError(f"it cannot be stored as JSON: {error}") from error


def _refuse_what_jsonb_cannot_hold(value: object) -> None:
    # `default` sees what only msgspec knows how to write (dataclasses, datetimes); NaN inside those
    # is found because they are first turned into plain values.
    plain = msgspec.to_builtins(value)
    text = _strict_encoder.encode(plain)
    if "\\u0000" in text.replace("\\\\", ""):
        raise UnstorableValueError("it holds a NUL character, which Postgres cannot store")


def decode_json(text: str | bytes) -> Any:
    """Return the value in `text`.

    Raises:
        MalformedMessageError: it is not JSON; the message says where it breaks.
    """
    try:
        return _json_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessageError(f"not JSON: {error}") from error


def decode_new_tasks(values: object) -> list[NewTask]:
    """Return the tasks in `values`, as `encode_json` and `decode_json` have left them.

    Raises:
        MalformedMessageError: they are no tasks; the message names the field.
    """
    try:
        return [_new_task(value) for value in msgspec.convert(values, list[dict[str, Any]])]
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise MalformedMessageError(f"not tasks: {error}") from error


def _new_task(value: dict[str, Any]) -> NewTask:
    """Return a task, field by field: msgspec has no type for texts and durations in one field."""
    kinds = _new_task_fields()
    fields = {name: msgspec.convert(given, kinds[name]) for name, given in value.items()}
    if (unique_for := fields.get("unique_for")) not in (None, *UniqueFor):
        fields["unique_for"] = msgspec.convert(unique_for, timedelta)
    return NewTask(**fields)


@cache
def _new_task_fields() -> dict[str, Any]:
    return get_type_hints(NewTask) | {"unique_for": str}


def decode_parents(values: object) -> list[ParentResult]:
    """Return what became of parents, as `encode_json` and `decode_json` have left it.

    Raises:
        MalformedMessageError: it is something else; the message names the field.
    """
    try:
        return msgspec.convert(values, list[ParentResult])
    except msgspec.MsgspecError as error:
        raise MalformedMessageError(f"not parents: {error}") from error


def decode_questions(values: object) -> list[Question]:
    """Return what was asked and answered, as `encode_json` and `decode_json` have left it.

    Raises:
        MalformedMessageError: it is something else; the message names the field.
    """
    try:
        return msgspec.convert(values, list[Question])
    except msgspec.MsgspecError as error:
        raise MalformedMessageError(f"not questions: {error}") from error


def decode_payload(kind: str, payload: str | bytes, into: type[PayloadT]) -> PayloadT:
    """Return `payload` as an `into`, the payload type of `kind`.

    Raises:
        MalformedPayloadError: a field is missing, unknown or of another type; its name is told.
    """
    shape = _shape_of(into)
    try:
        if not shape.is_strict:
            fields = _payload_fields.decode(payload)
            # msgspec passes over what a dataclass has no field for; what is missing it says itself.
            may_have_unknown = shape.nested or not shape.names.issuperset(fields)
            if may_have_unknown and (wrong := _wrong_field(fields, into)) is not None:
                raise MalformedPayloadError(kind, wrong)
        return shape.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayloadError(kind, _what_is_wrong(payload, into) or str(error)) from error


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payload type that is decoded in a quarter of the time that a dataclass takes."""


class Struct(msgspec.Struct, frozen=True):
    """What is made for each task that runs, and looked into often.

    To make one takes a fifth of the time of a tuple with names, and to look into it a third.
    """

    def replaced(self, **fields: object) -> Self:
        """Return a copy with other values in some fields."""
        return msgspec.structs.replace(self, **fields)


class _Shape(NamedTuple):
    """What is known of a type of payloads."""

    decode: Callable[[str | bytes], Any]
    is_strict: bool
    """Whether `decode` refuses what there is no field for."""

    names: frozenset[str]
    required: frozenset[str]
    nested: dict[str, type]
    """Of the fields that have fields of their own, which those are."""


@cache
def _shape_of(kind: Any) -> _Shape:
    its_fields: Any = msgspec.structs.fields if issubclass(kind, Payload) else dataclasses.fields
    fields = its_fields(kind)
    nothing = (dataclasses.MISSING, msgspec.NODEFAULT)
    nested = {
        name: each
        for name, said in get_type_hints(kind).items()
        for each in (get_args(said) if get_origin(said) in (Union, UnionType) else (said,))
        if isinstance(each, type) and dataclasses.is_dataclass(each)
    }
    return _Shape(
        decode=msgspec.json.Decoder(kind).decode,
        is_strict=issubclass(kind, Payload) and not nested,
        names=frozenset(f.name for f in fields),
        required=frozenset(
            f.name for f in fields if f.default in nothing and f.default_factory in nothing
        ),
        nested=nested,
    )


def _what_is_wrong(payload: str | bytes, into: type) -> str | None:
    """Return which field of a payload does not fit, if it is JSON and one is unknown or missing."""
    try:
        return _wrong_field(_payload_fields.decode(payload), into)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _wrong_field(fields: dict[str, Any], into: type, within: str = "") -> str | None:
    """Return which field there is not, or is missing, and what there may be; None if all fit."""
    shape = _shape_of(into)
    if not shape.names.issuperset(fields):
        unknown = min(fields.keys() - shape.names)
        if unknown.startswith("$"):
            return f"it is sealed ({unknown}), and here is no key: set sealing.key_dir"
        return f"it has no field {within + unknown!r}; {_known(shape)}"
    if not shape.required <= fields.keys():
        missing = min(shape.required - fields.keys())
        sample = f'{{"{missing}": {_sample(get_type_hints(into)[missing])}}}'
        return f"it lacks the field {within + missing!r}, as in {sample}; {_known(shape)}"
    for name, inner in shape.nested.items():
        value = fields.get(name)
        if isinstance(value, dict):
            wrong = _wrong_field(cast("dict[str, Any]", value), inner, f"{within}{name}.")
            if wrong is not None:
                return wrong
    return None


def _known(shape: _Shape) -> str:
    return f"fields: {', '.join(sorted(shape.names))}"


def _sample(kind: Any) -> str:
    """Return how a value of a type looks in JSON."""
    if get_origin(kind) is Literal:
        return f'"{get_args(kind)[0]}"'
    return {str: '"..."', tuple: '["..."]', list: '["..."]'}.get(get_origin(kind) or kind, "...")


def encode_frame(frame: Frame) -> bytes:
    """Return `frame` as one message."""
    return _pack.encode((type(frame).__name__, frame))


def decode_frame(message: bytes) -> Frame:
    """Return the frame in `message`.

    Raises:
        MalformedMessageError: not a frame, an unknown kind, or a body that does not fit its kind.
    """
    try:
        name, body = _unpack_envelope.decode(message)
        return _unpack_frame[name].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessageError(f"not a frame: {error}") from error
    except KeyError as error:
        raise MalformedMessageError(f"no frame is called {error}") from error


def encode_bundle(bundle: Bundle) -> bytes:
    """Return `bundle` as bytes."""
    return _pack.encode(bundle)


def decode_bundle(message: bytes) -> Bundle:
    """Return the bundle in `message`.

    Raises:
        MalformedMessageError: it is not a bundle.
    """
    try:
        return _unpack_bundle.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessageError(f"not a bundle: {error}") from error

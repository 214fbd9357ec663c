"""Payload messages to payloads and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import cast

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from a2a_node.model.errors import InvalidInput, PayloadTooLarge
from a2a_node.model.names import checked_text
from a2a_node.model.payload import EMPTY, JSON, TEXT, Payload
from a2amesh.v1 import payload_pb2 as pb

MEDIA_TYPE = 255  # characters at most


class Carried(Payload):
    """A payload as its message came; only whoever asks for its body has it read, not who hands it on.

    PayloadTooLarge over `limit` bytes, InvalidInput for a media type that is too long; what else is wrong with it is
    InvalidInput for whoever asks.
    """

    __slots__ = ("_read", "message")
    message: pb.Payload
    _read: Payload | None

    def __init__(self, message: pb.Payload, field: str = "input", limit: int | None = None) -> None:
        if len(message.media_type) > MEDIA_TYPE:
            checked_text(f"{field}.media_type", message.media_type, MEDIA_TYPE)
        if limit is not None:
            check_size(message, limit)
        object.__setattr__(self, "message", message)
        object.__setattr__(self, "_read", None)

    @property
    def body(self) -> Mapping[str, object] | str | bytes:
        """As of any payload."""
        return self._payload().body

    @property
    def media_type(self) -> str:
        """As of any payload."""
        return self._payload().media_type

    def __eq__(self, other: object) -> bool:
        return self._payload() == (other._payload() if isinstance(other, Carried) else other)

    def __hash__(self) -> int:
        return hash(self._payload())

    def _payload(self) -> Payload:
        if (read := self._read) is None:
            read = to_payload(self.message)
            object.__setattr__(self, "_read", read)
        return read


def passed_on(payload: Payload) -> pb.Payload:
    """The message of a payload, unread where it is as it came."""
    return payload.message if isinstance(payload, Carried) else from_payload(payload)


def to_payload(message: pb.Payload, field: str = "input", limit: int | None = None) -> Payload:
    """The payload of a message; PayloadTooLarge over `limit` bytes, InvalidInput for a media type that is too long."""
    kind = message.WhichOneof("body")
    if kind is None:
        return EMPTY
    checked_text(f"{field}.media_type", message.media_type, MEDIA_TYPE)
    if limit is not None:
        check_size(message, limit)
    if kind == "data":
        return Payload(message.data, message.media_type or JSON)
    if kind == "text":
        return Payload(message.text, message.media_type or TEXT)
    return Payload(to_mapping(message.struct), message.media_type or JSON)


def check_size(message: pb.Payload, limit: int) -> None:
    """PayloadTooLarge when the body has more than `limit` bytes."""
    size = message.ByteSize()
    if size > limit and message.HasField("data"):
        size = len(message.data)
    if size > limit:
        raise PayloadTooLarge(size, limit)


def from_payload(payload: Payload) -> pb.Payload:
    """The message of a payload; its media type is left out where it is the encoding's own."""
    body, media_type = payload.body, payload.media_type
    if isinstance(body, bytes):
        return pb.Payload(data=body, media_type="" if media_type == JSON else media_type)
    if isinstance(body, str):
        return pb.Payload(text=body, media_type="" if media_type == TEXT else media_type)
    return pb.Payload(struct=from_mapping(body), media_type="" if media_type == JSON else media_type)


def to_mapping(struct: Struct) -> dict[str, object]:
    """The JSON object of a Struct; whole numbers become int. InvalidInput for NaN and infinities."""
    return {name: _to_json(value) for name, value in struct.fields.items()}


def from_mapping(mapping: Mapping[str, object], field: str = "struct") -> Struct:
    """The Struct of a JSON object; InvalidInput for what JSON cannot say."""
    struct = Struct()
    try:
        struct.update(cast("dict[str, str]", mapping))
    except (ValueError, TypeError) as error:
        raise InvalidInput(field, f"is no JSON object: {error}") from None
    return struct


def _to_json(value: Value) -> object:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return _to_number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return to_mapping(value.struct_value)
    if kind == "list_value":
        return _to_list(value.list_value)
    return None


def _to_number(number: float) -> int | float:
    if not isfinite(number):
        raise InvalidInput("struct", f"holds {number}, which JSON cannot say")
    return int(number) if number.is_integer() else number


def _to_list(values: ListValue) -> list[object]:
    return [_to_json(value) for value in values.values]

"""Python values to payloads and back: JSON bytes for everything that is neither text nor bytes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import orjson

from a2a_node.model.errors import InvalidInput
from a2a_node.model.payload import JSON, TEXT, Payload

BYTES = "application/octet-stream"


@runtime_checkable
class Dumps(Protocol):
    """What pydantic models can do."""

    def model_dump(self) -> object:
        """The model as plain values."""


def encoded(value: object, field: str = "input") -> Payload:
    """The payload of a value: None is an empty object, a payload is itself; InvalidInput for what JSON cannot say."""
    if isinstance(value, Payload):
        return value
    if isinstance(value, str):
        return Payload(value, TEXT)
    if isinstance(value, bytes):
        return Payload(value, BYTES)
    try:
        return Payload(b"{}" if value is None else orjson.dumps(value, default=_plain))
    except TypeError as error:
        raise InvalidInput(field, f"is no JSON: {error}") from None


def decoded(payload: Payload, field: str = "output") -> object:
    """The value of a payload: JSON parsed, text as str, all else as bytes; InvalidInput for damaged JSON."""
    body = payload.body
    if not isinstance(body, bytes):
        return body
    if payload.media_type.partition(";")[0].strip() != JSON:
        return body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(field, f"says that it is JSON and is not: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, Dumps):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} has no JSON form")

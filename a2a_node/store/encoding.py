"""Payloads and errors as the fields that Redis keeps of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import orjson

from a2a_node.model.errors import MeshError, revived
from a2a_node.model.payload import Payload

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Fields = Mapping[bytes, bytes]


def payload_fields(payload: Payload) -> Sequence[str | bytes]:
    """The payload as names and values in turn: kind, type and body."""
    body = payload.body
    if isinstance(body, bytes):
        return "kind", "data", "type", payload.media_type, "body", body
    if isinstance(body, str):
        return "kind", "text", "type", payload.media_type, "body", body
    return "kind", "struct", "type", payload.media_type, "body", _json(body)


def payload_of(fields: Fields) -> Payload:
    """The payload of its fields."""
    kind, media_type, body = fields[b"kind"], fields[b"type"].decode(), fields[b"body"]
    if kind == b"data":
        return Payload(body, media_type)
    return Payload(body.decode() if kind == b"text" else orjson.loads(body), media_type)


def error_text(error: MeshError) -> bytes:
    """What is kept of an error, as JSON."""
    return orjson.dumps(
        {"code": error.code, "reason": error.reason, "message": error.message, "variables": dict(error.variables)}
    )


def error_of(text: bytes) -> MeshError:
    """The error that was kept, as its own class."""
    kept = orjson.loads(text)
    return revived(kept["code"], kept["reason"], kept["message"], kept["variables"])


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # whole numbers beyond 64 bits, such as 1e300
        return json.dumps(value).encode()


def pairs(flat: object) -> dict[bytes, bytes]:
    """The fields of an answer that lists names and values in turn."""
    items = iter(cast("Iterable[bytes]", flat))
    return dict(zip(items, items, strict=True))


def moment(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return EPOCH + microseconds * MICROSECOND


def microseconds(when: datetime) -> int:
    """How many microseconds after 1970 that is."""
    return (when - EPOCH) // MICROSECOND


def milliseconds(seconds: float) -> int:
    """A span as Redis wants it, at least one millisecond."""
    return max(1, round(seconds * 1000))

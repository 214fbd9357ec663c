"""Checks of fields that several services have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from a2a_node.model.errors import InvalidInput, PageTokenInvalid
from a2a_node.wire.agents import seconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checked_span(field: str, message: Duration, least: float, most: float) -> float:
    """The seconds of a span; InvalidInput names the field when it is not between `least` and `most` seconds."""
    span = seconds(message)
    if not least <= span <= most:
        raise InvalidInput(field, f"{span:g} s must be from {least:g} s to {most:g} s")
    return span


def checked_key(field: str, key: str, limit: int) -> str:
    """The key itself; InvalidInput names the field when it is empty or has more than `limit` bytes."""
    if not key:
        raise InvalidInput(field, "is required")
    size = len(key.encode())
    if size > limit:
        raise InvalidInput(field, f"has {size} bytes, the limit is {limit}")
    return key


def mark(moment: datetime, name: str) -> str:
    """The place of something in a list that is sorted by time, as a text."""
    return f"{(moment - EPOCH) // timedelta(microseconds=1)} {name}"


def marked(text: str) -> tuple[datetime, str] | None:
    """The place that a text stands for; None for the beginning of the list."""
    if not text:
        return None
    made, _, name = text.partition(" ")
    try:
        return EPOCH + int(made) * timedelta(microseconds=1), name
    except (ValueError, OverflowError):
        raise PageTokenInvalid from None

"""Where a reader is in a stream: the id that an event gets, and the request that goes on after it.

A request with a field `after_x` is continued after what its answers call `x`, themselves or in what happened. A call's
stream is continued by its id and sequence alone, on any node.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from a2a_node.model.errors import InvalidInput

LAST_EVENT = "last-event-id"
AFTER, RESUME = "after_", "resume"
LONGEST = 500  # characters of a position


def position(message: Message, place: str) -> str:
    """The id of an event, where a reader that is lost after it can come back to; empty where there is none."""
    if place == RESUME:
        resumable = getattr(message, "resumable", False)
        return f"{getattr(message, 'call_id')}:{getattr(message, 'sequence')}" if resumable else ""  # noqa: B009 - of any message
    return "" if not place else _found(message, place)


def place_of(method: MethodDescriptor) -> str:
    """What a stream is continued by: `resume`, the name in `after_x`, or nothing."""
    fields = method.input_type.fields_by_name
    after = next((name.removeprefix(AFTER) for name in fields if name.startswith(AFTER)), "")
    return RESUME if RESUME in fields else after


def resumed(method: MethodDescriptor, fields: Mapping[str, object], last: str) -> dict[str, object]:
    """The fields of the request that goes on after an event; InvalidInput for an id that no event had."""
    place = place_of(method)
    if not place or not last.isprintable() or len(last) > LONGEST:
        raise InvalidInput(LAST_EVENT, "is no id of an event of this stream")
    if place != RESUME:
        return {**fields, f"{AFTER}{place}": last}
    call_id, _, sequence = last.rpartition(":")
    if not call_id or not sequence.isdecimal():
        raise InvalidInput(LAST_EVENT, "is no id of an event of this stream")
    return {RESUME: {"call_id": call_id, "after_sequence": sequence}}


def _found(message: Message, place: str) -> str:
    for name in (place, f"{AFTER}{place}", "last_sequence"):
        if name in message.DESCRIPTOR.fields_by_name:
            value = getattr(message, name)
            return str(value) if value else ""
    for field, inner in message.ListFields():
        if field.containing_oneof is not None and isinstance(inner, Message):
            return _found(inner, place)
    return ""

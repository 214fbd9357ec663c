"""Payloads as they came: read when somebody asks for their body, and handed on unread."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct, Value

from a2a_node.model.errors import InvalidInput, PayloadTooLarge
from a2a_node.model.payload import EMPTY, JSON, TEXT, Payload
from a2a_node.wire.payloads import Carried, from_payload, passed_on, to_payload
from a2amesh.v1 import payload_pb2 as pb

PAYLOADS = [
    EMPTY,
    Payload({"a": [1, None, {"b": 2.5}]}),
    Payload("words", TEXT),
    Payload(b"\x00", "image/png"),
    Payload(b"{}", JSON),
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_was_carried_is_what_was_said(payload: Payload) -> None:
    """Equal in every way to a payload that was read at once."""
    message = from_payload(payload)
    carried = Carried(message)
    assert (carried.body, carried.media_type) == (payload.body, payload.media_type)
    assert carried == to_payload(message) == carried == Carried(message)
    assert carried != Payload("other", TEXT)


def test_whoever_hands_it_on_does_not_read_it() -> None:
    """Not even what cannot be read, which is refused where somebody asks."""
    message = pb.Payload(struct=Struct(fields={"a": Value(number_value=float("nan"))}))
    carried = Carried(message)
    assert passed_on(carried) is message
    with pytest.raises(InvalidInput, match="nan"):
        assert carried.body


def test_what_is_too_large_or_too_long_is_refused_at_once() -> None:
    """As of any payload."""
    with pytest.raises(PayloadTooLarge):
        Carried(pb.Payload(data=b"x" * 101), "input", 100)
    with pytest.raises(InvalidInput, match=r"output\.media_type"):
        Carried(pb.Payload(data=b"x", media_type="x" * 256), "output", 100)
    assert passed_on(Payload("words", TEXT)) == pb.Payload(text="words")

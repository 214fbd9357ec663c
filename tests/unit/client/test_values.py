"""Python values to payloads and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from a2a_node.client.values import BYTES, decoded, encoded
from a2a_node.model.errors import InvalidInput
from a2a_node.model.payload import JSON, TEXT, Payload

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


class Model(BaseModel):
    """A pydantic model."""

    when: datetime


@dataclass
class Point:
    """A dataclass."""

    x: int


@given(JSON_VALUES.filter(lambda value: value is not None))
def test_what_json_can_say_comes_back(value: object) -> None:
    """Numbers, lists and objects, however deep."""
    assert decoded(encoded(value)) == value


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (None, Payload(b"{}", JSON)),
        ("text", Payload("text", TEXT)),
        (b"\x00", Payload(b"\x00", BYTES)),
        (Point(1), Payload(b'{"x":1}', JSON)),
        (Model(when=datetime(2030, 1, 1, tzinfo=UTC)), Payload(b'{"when":"2030-01-01T00:00:00+00:00"}', JSON)),
        (Payload({"a": 1}), Payload({"a": 1}, JSON)),
    ],
)
def test_every_kind_of_value_has_its_payload(value: object, payload: Payload) -> None:
    """Text and bytes are not wrapped in JSON."""
    assert encoded(value) == payload


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**64, {"x": {1, 2}}, {"x": "\ud800"}])
def test_what_json_cannot_say_is_named_by_its_field(value: object) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInput, match=r"^data: is no JSON: "):
        encoded(value, "data")


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (Payload(b"[1]", "application/json; charset=utf-8"), [1]),
        (Payload(b"[1]", "image/png"), b"[1]"),
        (Payload({"a": 1}), {"a": 1}),
        (Payload("text", TEXT), "text"),
    ],
)
def test_only_json_is_parsed(payload: Payload, value: object) -> None:
    """By its media type."""
    assert decoded(payload) == value


def test_damaged_json_is_named() -> None:
    """Nothing is guessed from it."""
    with pytest.raises(InvalidInput, match=r"^output: says that it is JSON and is not: "):
        decoded(Payload(b"{"))

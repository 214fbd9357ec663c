"""The rules of session data: how it is written, merged and bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.errors import InvalidInput, PayloadTooLarge
from a2a_node.model.sessions import DATA_LIMIT, data_text, merged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_data_is_written_so_that_it_reads_the_same_or_is_refused_for_a_nul(data: dict[str, object]) -> None:
    """Only data that holds the character U+0000 somewhere is refused."""
    try:
        assert json.loads(data_text(data)) == data
        assert "\0" not in repr_of(data)
    except InvalidInput:
        assert "\0" in repr_of(data)


def repr_of(value: object) -> str:
    """All texts of a JSON value, one after the other."""
    if isinstance(value, dict):
        return "".join(f"{name}{repr_of(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(map(repr_of, value))
    return str(value)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), b"bytes", object(), "\ud800"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """The field is named."""
    with pytest.raises(InvalidInput, match="data"):
        data_text({"a": [value]})


def test_the_size_is_counted_in_bytes() -> None:
    """A text of two bytes a character fills it twice as fast."""
    room = DATA_LIMIT - len('{"a":""}')
    assert len(data_text({"a": "ü" * (room // 2)}).encode()) == DATA_LIMIT
    with pytest.raises(PayloadTooLarge) as failure:
        data_text({"a": "ü" * (room // 2) + "x"})
    assert failure.value.variables == {"size": str(DATA_LIMIT + 1), "limit": str(DATA_LIMIT)}


def test_a_merge_changes_what_is_named_and_nothing_else() -> None:
    """None removes a key; a null that was there before stays; neither argument is touched."""
    data, changes = {"a": None, "b": 1, "c": {"x": 1}}, {"b": None, "c": {"y": None}, "d": 2, "e": None}
    assert merged(data, changes) == {"a": None, "c": {"y": None}, "d": 2}
    assert data == {"a": None, "b": 1, "c": {"x": 1}}

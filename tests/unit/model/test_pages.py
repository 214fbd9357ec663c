"""Pages: every item once, and no token of another list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.errors import InvalidInput, PageTokenInvalid
from a2a_node.model.pages import paged


@given(items=st.sets(st.text(min_size=1)), size=st.integers(1, 7))
def test_walking_the_pages_gives_every_item_once(items: set[str], size: int) -> None:
    """In order, whatever the page size."""
    walked: list[str] = []
    ordered, token = sorted(items), ""
    while True:
        page, token = paged(ordered, str, "things", size, token)
        walked += page
        if not token:
            break
    assert walked == ordered


@given(token=st.text(max_size=40))
def test_a_foreign_token_is_refused_and_never_crashes(token: str) -> None:
    """Whatever it holds."""
    if token:
        with pytest.raises(PageTokenInvalid):
            paged(["a", "b"], str, "things", 1, token)


def test_a_token_of_another_filter_is_refused() -> None:
    """The scope is part of it."""
    _, token = paged(["a", "b"], str, "things of red", 1, "")
    with pytest.raises(PageTokenInvalid):
        paged(["a", "b"], str, "things of blue", 1, token)


def test_a_negative_page_size_is_refused() -> None:
    """It names its field."""
    with pytest.raises(InvalidInput, match="page_size"):
        paged(["a"], str, "things", -1, "")

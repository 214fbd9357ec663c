"""Permissions: their form, and which of them cover which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.errors import InvalidInput
from a2a_node.model.permissions import checked_permission, covering, covers, resource
from a2a_node.model.principal import Principal, checked_principal

SEGMENTS = st.lists(st.sampled_from(("a", "b", "c")), min_size=2, max_size=4)


@st.composite
def permissions(draw: st.DrawFn) -> str:
    """Permissions of few words, with a wildcard or none."""
    segments = draw(SEGMENTS)
    place = draw(st.none() | st.integers(0, len(segments) - 1))
    if place is not None:
        segments[place] = "*"
    return ":".join(segments)


@pytest.mark.parametrize("text", ["agent:translator:invoke", "agent:*:invoke", "workflow:start", "*:read", "a:b:c:d"])
def test_permissions_of_the_right_form_are_taken_as_they_are(text: str) -> None:
    """Two segments or more, at most one of them a wildcard."""
    assert checked_permission("permission", text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is required"),
        ("agent", "must look like"),
        ("agent:", "must look like"),
        (":agent", "must look like"),
        ("agent:a b:invoke", "must look like"),
        ("agent:a*:invoke", "must look like"),
        ("a:b:c:d:e:f:g:h:i", "must look like"),
        ("agent:*:*", "at most one"),
        ("*:*", "at most one"),
        ("a:" + "b" * 300, "the limit is 255"),
    ],
)
def test_anything_else_is_refused(text: str, why: str) -> None:
    """The field is named; two wildcards are one too many."""
    with pytest.raises(InvalidInput, match=why) as refused:
        checked_permission("permission", text)
    assert refused.value.violations[0][0] == "permission"


def test_a_question_names_what_it_is_about() -> None:
    """Where exactly one thing is meant, no wildcard will do."""
    with pytest.raises(InvalidInput, match="no segment may be"):
        checked_permission("permission", "agent:*:invoke", exact=True)


def test_a_wildcard_stands_for_exactly_one_segment() -> None:
    """Neither for none nor for two."""
    assert covers("agent:*:invoke", "agent:echo:invoke")
    assert covers("agent:*:invoke", "agent:*:invoke")
    assert not covers("agent:*:invoke", "agent:invoke")
    assert not covers("agent:*:invoke", "agent:a:b:invoke")
    assert not covers("agent:echo:invoke", "agent:*:invoke")
    assert not covers("agent:*:invoke", "agent:echo:*")


@given(permissions(), permissions())
def test_what_covers_can_be_looked_up(held: str, wanted: str) -> None:
    """A permission covers another exactly when it is among those that the other names."""
    assert covers(held, wanted) == (held in covering(wanted))


@given(permissions(), permissions(), permissions())
def test_covering_is_an_order(one: str, two: str, three: str) -> None:
    """Whatever is handed on and on stays covered by where it began; only equals cover each other."""
    assert covers(one, one)
    assert not (covers(one, two) and covers(two, three)) or covers(one, three)
    assert not (covers(one, two) and covers(two, one)) or one == two


def test_the_resource_is_the_first_segment() -> None:
    """What a permission is about."""
    assert resource("agent:echo:invoke") == "agent"


def test_principals_are_kind_and_name() -> None:
    """Three kinds; a name is visible text."""
    assert checked_principal("granted_to", "person:ada@example.org") == Principal("person", "ada@example.org")
    for text in ("", "ada", "robot:ada", "person:", "person:a b", "nobody:x", "person:" + "a" * 201):
        with pytest.raises(InvalidInput, match="granted_to"):
            checked_principal("granted_to", text)

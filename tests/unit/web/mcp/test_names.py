"""Names of tools: letters that every client takes, no two alike, and each read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.names import NAME
from a2a_node.web.mcp.names import is_hashed, named, tool_name

TAKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}")
names = st.from_regex(NAME, fullmatch=True)
odd = st.from_regex(re.compile(r"[a-c][a_.-]{0,4}"), fullmatch=True)


@pytest.mark.parametrize(
    ("agent", "capability", "tool"),
    [
        ("echo", "say", "echo__say"),
        ("mcp.files", "read_file", "mcpPfiles__read_file"),
        ("a_", "b", "aU__b"),
        ("a", "b__c", "a__b_Uc"),
    ],
    ids=lambda text: text,
)
def test_names_stay_readable(agent: str, capability: str, tool: str) -> None:
    """What most names need no rule for."""
    assert tool_name(agent, capability) == tool
    assert named(tool) == (agent, capability)


@given(names, names)
def test_every_client_takes_every_name(agent: str, capability: str) -> None:
    """At most 64 letters, digits, underscores and hyphens; short ones are read back."""
    tool = tool_name(agent, capability)
    assert TAKEN.fullmatch(tool)
    assert is_hashed(tool) or named(tool) == (agent, capability)


@given(st.lists(st.tuples(odd | names, odd | names), unique=True, max_size=30))
def test_no_two_names_make_the_same(pairs: list[tuple[str, str]]) -> None:
    """However odd they are."""
    assert len({tool_name(*pair) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("tool", ["", "echo", "echo__", "__say", "Echo__say", "a__b__c", "aP", "a" * 65, "mesh_rule"])
def test_what_is_no_name_stands_for_nothing(tool: str) -> None:
    """Rather than for something like it."""
    assert named(tool) is None

"""Tools as capabilities, however a server lists them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from a2a_node.model.names import NAME
from a2a_node.tools.catalogue import MOST, catalogued
from a2a_node.tools.names import capability_names
from a2a_node.tools.reading import READINGS, readings_of

OBJECT = {"type": "object"}


@settings(max_examples=40)
@given(st.lists(st.text(max_size=80), max_size=20))
def test_every_tool_has_a_name_of_its_own(tools: list[str]) -> None:
    """Each has the form, none is there twice, and the order of the listing changes nothing."""
    names = capability_names(tools)
    assert set(names) == set(tools)
    assert len(set(names.values())) == len(names)
    assert all(NAME.fullmatch(name) for name in names.values())
    assert capability_names(reversed(tools)) == names


def test_a_name_that_has_the_form_is_kept() -> None:
    """Also beside one that would become the same."""
    assert capability_names(["Read File", "read-file", "2nd", "_x"]) == {
        "Read File": "read-file-2",
        "read-file": "read-file",
        "2nd": "tool-2nd",
        "_x": "tool-_x",
    }


@settings(max_examples=40)
@given(
    st.lists(
        st.recursive(st.none() | st.text(max_size=5) | st.integers(), st.lists)
        | st.dictionaries(
            st.sampled_from(["name", "inputSchema", "outputSchema", "description", "annotations", "title"]),
            st.none()
            | st.text(max_size=5)
            | st.just(OBJECT)
            | st.just({"type": "object", "required": 3})
            | st.integers(),
        ),
        max_size=8,
    )
)
def test_no_listing_breaks_it(listed: list[object]) -> None:
    """Whatever a server lists, each tool can be called or says why not."""
    for tool in catalogued(listed, READINGS):
        assert tool.problem or tool.input_schema["type"] == "object"


def test_a_schema_is_checked_without_fetching() -> None:
    """References to elsewhere, huge ones and such of no object make a tool that cannot be called."""
    tools = [
        {"name": "ref", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}}},
        {"name": "huge", "inputSchema": {"type": "object", "description": "x" * 70_000}},
        {"name": "array", "inputSchema": {"type": "array"}},
        {"name": "output", "inputSchema": OBJECT, "outputSchema": {"type": "object", "required": 3}},
    ]
    problems = {tool.tool: tool.problem for tool in catalogued(tools, ())}
    assert all(problems.values()), problems
    assert "70,0" in problems["huge"]
    assert problems["output"].startswith("its output schema is not valid")


def test_there_are_bounds() -> None:
    """An agent has a thousand capabilities at most, and a description 2,000 characters."""
    tools = [{"name": f"t{number}", "inputSchema": OBJECT, "description": "d" * 3000} for number in range(2000)]
    found = catalogued(tools, READINGS)
    assert len(found) == MOST + len(READINGS)
    assert len(found[0].description) == 2000


def test_readings_give_way_to_tools() -> None:
    """A tool of their name keeps it."""
    found = catalogued([{"name": "read-resource", "inputSchema": OBJECT}], readings_of(["resources", "tools"]))
    assert [(tool.tool, tool.capability) for tool in found] == [
        ("read-resource", "read-resource"),
        ("resources/list", "list-resources"),
        ("resources/templates/list", "list-resource-templates"),
        ("resources/read", "read-resource-2"),
    ]

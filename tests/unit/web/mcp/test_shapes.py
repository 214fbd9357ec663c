"""Capabilities as tools, and what comes of calls as results."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import AgentFailed, InvalidInput
from a2a_node.model.payload import TEXT, Payload
from a2a_node.web.mcp.results import CALL, ERROR, answered, failed, told
from a2a_node.web.mcp.shapes import Shape, shape_of, tool_of

ECHO = AgentDescriptor("echo", description="Echoes.")
OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}}
LIST = {"type": "array", "items": {"$ref": "#/$defs/one"}, "$defs": {"one": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("capability", "shape"),
    [
        (AgentCapability("a"), Shape()),
        (AgentCapability("a", input_schema=OBJECT, output_schema=OBJECT), Shape()),
        (AgentCapability("a", input_schema=LIST, output_schema={"type": "string"}), Shape("input", "output")),
        (AgentCapability("a", input_schema={"oneOf": [OBJECT]}), Shape("input", "")),
        (AgentCapability("a", output_schema=OBJECT, streams_output=True), Shape("", "outputs")),
    ],
)
def test_what_is_no_object_is_put_into_one(capability: AgentCapability, shape: Shape) -> None:
    """As MCP wants objects in both directions."""
    assert shape_of(capability) == shape


def test_references_still_lead_from_the_root() -> None:
    """A schema that is put into an object leaves its definitions where they are looked for."""
    tool = tool_of(ECHO, AgentCapability("sum", "Adds.", LIST, LIST, streams_output=True, idempotent=True))
    items = {"type": "array", "items": {"$ref": "#/$defs/one"}}
    assert tool["inputSchema"] == {
        "type": "object",
        "properties": {"input": items},
        "required": ["input"],
        "$defs": LIST["$defs"],
    }
    assert tool["outputSchema"] == {
        "type": "object",
        "properties": {"outputs": {"type": "array", "items": items}},
        "required": ["outputs"],
        "$defs": LIST["$defs"],
    }
    assert (tool["name"], tool["title"], tool["description"]) == ("echo__sum", "echo sum", "Adds.")
    assert tool["annotations"] == {"idempotentHint": True}


def test_a_tool_without_words_has_those_of_its_agent() -> None:
    """And any input, and no output schema that clients would check."""
    tool = tool_of(ECHO, AgentCapability("say"))
    assert (tool["description"], tool["inputSchema"]) == ("Echoes.", {"type": "object"})
    assert "outputSchema" not in tool
    assert "say" in str(tool_of(AgentDescriptor("x"), AgentCapability("say"))["description"])


def test_arguments_become_the_input() -> None:
    """Whole, or what stands inside."""
    assert Shape().taken({"a": 1}) == {"a": 1}
    assert Shape("input").taken({"input": [1]}) == [1]


def test_an_output_is_structured_and_readable() -> None:
    """An object as it is, anything else inside of one, the outputs of a stream as a list."""
    result = answered("c1", [Payload(b'{"a":1}')], "")
    assert (result["structuredContent"], result["_meta"]) == ({"a": 1}, {CALL: "c1"})
    assert result["content"] == [{"type": "text", "text": '{"a":1}'}]
    assert answered("c1", [Payload("words", TEXT)], "output")["structuredContent"] == {"output": "words"}
    streamed = answered("c1", [Payload({"n": 1}), Payload({"n": 2})], "outputs", streamed=True)
    assert streamed["structuredContent"] == {"outputs": [{"n": 1}, {"n": 2}]}
    assert answered("c1", [], "outputs", streamed=True)["structuredContent"] == {"outputs": []}


@pytest.mark.parametrize(
    ("media_type", "kind"), [("image/png", "image"), ("audio/ogg", "audio"), ("application/zip", "resource")]
)
def test_bytes_are_content_of_their_kind(media_type: str, kind: str) -> None:
    """In Base64, and no structured content."""
    result = answered("c1", [Payload(b"\0\1", media_type)], "output")
    (block,) = cast("list[dict[str, Any]]", result["content"])
    assert block["type"] == kind
    blob = block["resource"]["blob"] if kind == "resource" else block["data"]
    assert base64.b64decode(blob) == b"\0\1"
    assert "structuredContent" not in result
    assert told(Payload(b"\0\1", media_type)) == f"2 bytes of {media_type}"


def test_a_failure_says_its_reason_and_what_to_do() -> None:
    """To people in a sentence, to programs in `_meta`."""
    result = failed(AgentFailed("echo", "say", said="no such row"), "c1")
    assert result["isError"] is True
    (block,) = cast("list[dict[str, Any]]", result["content"])
    assert block["text"].startswith("AGENT_FAILED: ")
    assert "no such row" in block["text"]
    assert result["_meta"][ERROR]["reason"] == "AGENT_FAILED"  # type: ignore[index]
    wrong = failed(InvalidInput("input.n", "must be a number"))
    assert wrong["_meta"][ERROR]["violations"] == [  # type: ignore[index]
        {"field": "input.n", "description": "must be a number"}
    ]
    assert CALL not in wrong["_meta"]  # type: ignore[operator]

"""Capabilities as tools: MCP wants objects in both directions, where the mesh takes any JSON Schema.

A schema of something else is put into an object, under `input` or `output`; the replies of a stream are a list there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.web.mcp.names import tool_name

INPUT, OUTPUT, OUTPUTS = "input", "output", "outputs"
DEFINITIONS = ("$defs", "definitions", "$schema")  # what references count from the root of a schema
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a capability's input and output stand in a tool's arguments and result; empty names mean: as they are."""

    input: str = ""
    output: str = ""

    def taken(self, arguments: Json) -> object:
        """The input that the arguments hold."""
        return arguments.get(self.input) if self.input else dict(arguments)


def shape_of(capability: AgentCapability) -> Shape:
    """The shape of a capability's tool."""
    inside = "" if _is_object(capability.input_schema) else INPUT
    if capability.streams_output:
        return Shape(inside, OUTPUTS)
    return Shape(inside, "" if _is_object(capability.output_schema) else OUTPUT)


def tool_of(agent: AgentDescriptor, capability: AgentCapability) -> dict[str, object]:
    """The tool as `tools/list` has it."""
    shape, about = shape_of(capability), capability.description or agent.description
    tool: dict[str, object] = {
        "name": tool_name(agent.name, capability.name),
        "title": f"{agent.name} {capability.name}",
        "description": about or f"The capability {capability.name} of the agent {agent.name}",
        "inputSchema": _object(capability.input_schema, shape.input),
    }
    if capability.streams_output:
        tool["outputSchema"] = _listed(capability.output_schema)
    elif capability.output_schema:
        tool["outputSchema"] = _object(capability.output_schema, shape.output)
    if capability.idempotent:
        tool["annotations"] = {"idempotentHint": True}
    return tool


def _is_object(schema: Json) -> bool:
    return schema.get("type", "object") == "object" and not any(one in schema for one in ("anyOf", "oneOf", "enum"))


def _object(schema: Json, inside: str) -> Json:
    if not inside:
        return {"type": "object", **schema}
    roots, rest = _parted(schema)
    return {"type": "object", "properties": {inside: rest}, "required": [inside], **roots}


def _listed(schema: Json) -> Json:
    roots, rest = _parted(schema)
    listed = {"type": "array", "items": rest}
    return {"type": "object", "properties": {OUTPUTS: listed}, "required": [OUTPUTS], **roots}


def _parted(schema: Json) -> tuple[dict[str, object], dict[str, object]]:
    """What has to stay at the root, and the rest."""
    roots = {name: value for name, value in schema.items() if name in DEFINITIONS}
    return roots, cast("dict[str, object]", {name: value for name, value in schema.items() if name not in roots})

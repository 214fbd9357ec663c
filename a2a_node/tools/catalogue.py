"""What a server offers, as capabilities: its tools as it lists them, however badly, and its resources and prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn, cast

import jsonschema_rs

from a2a_node.model.agents import MAX_CAPABILITIES
from a2a_node.model.tools import ServerTool
from a2a_node.tools.names import capability_names, free
from a2a_node.tools.reading import READINGS

MOST = MAX_CAPABILITIES - len(READINGS)
DESCRIPTION, TITLE, TOOL_NAME = 2000, 200, 128  # characters
SCHEMA_BYTES = 64 * 1024
SHOWN = 200  # characters of what is wrong with a schema
Object = Mapping[str, object]


def catalogued(listed: Sequence[object], offers: Iterable[str]) -> Sequence[ServerTool]:
    """The tools of a listing, each with the problem that keeps it from being called, and what else can be read.

    `offers` are the methods, among READINGS, that the server answers. What is no tool at all is left out.
    """
    tools = [tool for tool in listed if isinstance(tool, dict) and isinstance(tool.get("name"), str)][:MOST]
    names = dict(capability_names(tool["name"] for tool in tools))
    taken, seen = set(names.values()), set(READINGS)
    found = []
    for tool in tools:
        name = tool["name"]
        capability = free(names[name], taken) if name in seen else names[name]
        found.append(_tool(tool, capability, _name_problem(name, seen)))
        seen.add(name)
    readings = [READINGS[method] for method in offers]
    return (*found, *(replace(each, capability=free(each.capability, taken)) for each in readings))


def _tool(tool: Object, capability: str, problem: str) -> ServerTool:
    name, hints = str(tool["name"]), _object(tool.get("annotations"))
    takes, answers = tool.get("inputSchema"), tool.get("outputSchema")
    problem = problem or _schema_problem("input", takes) or _schema_problem("output", answers)
    return ServerTool(
        capability=capability,
        tool=name[:TOOL_NAME],
        title=_text(tool.get("title") or hints.get("title"), TITLE),
        description=_text(tool.get("description"), DESCRIPTION),
        input_schema={} if problem else _object(takes),
        output_schema=None if problem or answers is None else _object(answers),
        read_only=_hint(hints, "readOnlyHint"),
        destructive=_hint(hints, "destructiveHint"),
        idempotent=_hint(hints, "idempotentHint"),
        problem=problem,
    )


def _name_problem(name: str, seen: set[str]) -> str:
    if name in seen:
        return f"the server has two tools of the name {name[:TOOL_NAME]!r}, of which only the first can be called"
    if not 1 <= len(name) <= TOOL_NAME:
        return f"its name has {len(name)} characters, and must have 1 to {TOOL_NAME}"
    return ""


def _schema_problem(side: str, schema: object) -> str:
    """Why a schema is none; empty when it is one. An output needs none, an input needs one of an object."""
    if schema is None and side == "output":
        return ""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return f"its {side} schema is not of an object"
    written = json.dumps(schema)
    if len(written) > SCHEMA_BYTES:
        return f"its {side} schema has {len(written):,} bytes, the limit is {SCHEMA_BYTES:,}"
    try:
        jsonschema_rs.validator_for(schema, retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions())
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return f"its {side} schema is not valid: {str(error).splitlines()[0][:SHOWN]}"
    return ""


def _nowhere(_: str) -> NoReturn:
    raise LookupError("nothing is fetched for a `$ref`")


def _object(value: object) -> Object:
    return cast("Object", value) if isinstance(value, dict) else {}


def _text(value: object, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def _hint(hints: Object, name: str) -> bool | None:
    value = hints.get(name)
    return value if isinstance(value, bool) else None

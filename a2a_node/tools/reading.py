"""Resources and prompts of a server: methods of MCP that can be called like tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from a2a_node.model.tools import ServerTool

CURSOR = {
    "type": "object",
    "properties": {"cursor": {"type": "string", "description": "`nextCursor` of the page before."}},
}
URI = {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]}
PROMPT = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "arguments": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["name"],
}


def _reading(method: str, capability: str, description: str, schema: Mapping[str, object]) -> ServerTool:
    return ServerTool(capability, method, "", description, schema, {"type": "object"}, read_only=True, idempotent=True)


READINGS = {
    reading.tool: reading
    for reading in (
        _reading("resources/list", "list-resources", "Lists what can be read, a page at a time.", CURSOR),
        _reading(
            "resources/templates/list",
            "list-resource-templates",
            "Lists forms of addresses that can be read, a page at a time.",
            CURSOR,
        ),
        _reading("resources/read", "read-resource", "Reads a resource by its address.", URI),
        _reading("prompts/list", "list-prompts", "Lists the prompts, a page at a time.", CURSOR),
        _reading("prompts/get", "get-prompt", "Makes the messages of a prompt from its arguments.", PROMPT),
    )
}


def readings_of(capabilities: Iterable[str]) -> tuple[str, ...]:
    """The methods that a server answers which has declared such capabilities."""
    declared = set(capabilities)
    return tuple(method for method in READINGS if method.partition("/")[0] in declared)

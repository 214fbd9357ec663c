"""The JSON Schema of templates, for editors; what it cannot say, such as that there is no cycle, `lint` says.

It is published as docs/workflow.schema.json, which `make gen` writes.
"""

from __future__ import annotations

from a2a_node.model.workflows import MOST_ITEMS, MOST_STEPS, OnFailure
from a2a_node.workflows import steps, template
from a2a_node.workflows.fields import ID, SPAN, TEMPLATE_NAME

Schema = dict[str, object]
NAME = r"^[a-z][a-z0-9_.-]{0,62}$"
OBJECT: Schema = {"type": "object"}
SPAN_TEXT: Schema = {"type": "string", "pattern": f"^{SPAN.pattern}$", "examples": ["30s", "5m", "1.5h"]}


def template_schema() -> Schema:
    """The JSON Schema (2020-12) of a template."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:a2a-node:workflow-template",
        "title": "A workflow template of a2a-node",
        **_object(
            {
                "name": _text(TEMPLATE_NAME.pattern, "What runs are started by."),
                "description": _long("What the workflow is for.", template.DESCRIPTION),
                "tags": _list(_text(NAME, "A label to find it by."), template.MOST_TAGS),
                "inputs": _map(_input(), "What a run is given, by name.", template.MOST_INPUTS),
                "steps": _map(_step(), "The nodes of the graph, by id.", MOST_STEPS) | {"minProperties": 1},
                "output": {**OBJECT, "description": "What a run makes of the outputs of its steps."},
                "timeout": {**SPAN_TEXT, "description": "How long a run may take; 24 h where it is absent."},
                "schedule": {"type": "string", "description": "A cron line of five fields, in UTC."},
                "max_concurrent_runs": _whole(1, template.MOST_RUNS, "How many runs go at a time; more wait."),
            },
            ["name", "steps"],
        ),
    }


def _input() -> Schema:
    return _object(
        {
            "description": _long("What it is, for people.", template.DESCRIPTION),
            "type": {"enum": list(template.TYPES), "description": "Short for a schema that says only this."},
            "schema": {"type": "object", "description": "The JSON Schema that a value must fit."},
            "default": {"description": "What is taken when a run is given none; without it a run must be given one."},
        }
    )


def _step() -> Schema:
    call, sub = {"anyOf": [{"required": ["agent"]}, {"required": ["capability"]}]}, {"required": ["workflow"]}
    return _object(
        {
            "description": _long("What the step is for.", steps.DESCRIPTION),
            "agent": _text(NAME, "The agent to call."),
            "capability": _text(NAME, "What to call; absent means the agent's only one."),
            "tag": _text(NAME, "Any agent with this tag that offers the capability."),
            "workflow": _text(TEMPLATE_NAME.pattern, "A template to run."),
            "approval": _approval(),
            "input": {**OBJECT, "description": "What it is given; `${{ CEL }}` reads inputs, context and steps."},
            "needs": {"anyOf": [{"type": "string"}, _list({"type": "string"}, MOST_STEPS)]},
            "if": {"type": ["string", "boolean"], "description": "A CEL condition; the step is skipped when false."},
            "foreach": {"type": ["string", "array"], "description": "A list, or CEL that makes one; once per item."},
            "max_concurrent_items": _whole(1, MOST_ITEMS, "How many items go at a time."),
            "retry": _retry(),
            "timeout": {**SPAN_TEXT, "description": "How long an attempt, or the wait for an approval, may take."},
            "on_failure": {"enum": [str(one) for one in OnFailure]},
            "compensates": _text(ID.pattern, "The step that this one undoes."),
        }
    ) | {"oneOf": [call, sub, {"required": ["approval"]}]}


def _approval() -> Schema:
    return _object(
        {
            "permission": {"type": "string", "description": "What whoever decides must be allowed."},
            "question": _long("What they are asked.", steps.QUESTION),
        },
        ["permission"],
    )


def _retry() -> Schema:
    return _object(
        {
            "attempts": _whole(1, steps.MOST_ATTEMPTS, "How often it is tried in all."),
            "backoff": {**SPAN_TEXT, "description": "Before the second attempt; twice as long before each later one."},
            "reasons": {
                "anyOf": [{"type": "string"}, _list({"type": "string"}, 32)],
                "description": "Reasons of failures that are worth another attempt, such as AGENT_LOST.",
            },
        }
    )


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    said: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return said | ({"required": required} if required else {})


def _map(inner: Schema, description: str, most: int) -> Schema:
    names = {"pattern": f"^{ID.pattern}$"}
    return {
        "type": "object",
        "description": description,
        "propertyNames": names,
        "additionalProperties": inner,
        "maxProperties": most,
    }


def _text(pattern: str, description: str) -> Schema:
    whole = pattern if pattern.startswith("^") else f"^{pattern}$"
    return {"type": "string", "pattern": whole, "description": description}


def _long(description: str, most: int) -> Schema:
    return {"type": "string", "maxLength": most, "description": description}


def _list(inner: Schema, most: int) -> Schema:
    return {"type": "array", "items": inner, "maxItems": most, "uniqueItems": True}


def _whole(least: int, most: int, description: str) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "description": description}

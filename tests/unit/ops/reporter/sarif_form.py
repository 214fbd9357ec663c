"""What SARIF 2.1.0 demands of a log, as far as our logs go: its required properties, its words, and nothing unknown.

Written after the specification (OASIS, 2020), sections 3.13 to 3.52; closed, so that a property we invent is found.
"""

from __future__ import annotations

TEXT = {"type": "string"}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
BAG = {"type": "object", "properties": {"tags": {"type": "array", "items": TEXT, "uniqueItems": True}}}


def thing(required: list[str], **properties: object) -> dict[str, object]:
    """A closed object."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def things(item: dict[str, object], **more: object) -> dict[str, object]:
    """A list of them."""
    return {"type": "array", "items": item, **more}


MESSAGE = thing(["text"], text=TEXT)
RULE = thing(["id"], id=TEXT, defaultConfiguration=thing([], level=LEVEL), properties=BAG)
DRIVER = thing(["name"], name=TEXT, semanticVersion=TEXT, rules=things(RULE, uniqueItems=True))
PHYSICAL = thing(
    ["artifactLocation"],
    artifactLocation=thing([], uri={"type": "string", "format": "uri-reference"}),
    region=thing([], startLine={"type": "integer", "minimum": 1}),
)
LOCATION = thing(
    [], physicalLocation=PHYSICAL, logicalLocations=things(thing([], name=TEXT, kind=TEXT), uniqueItems=True)
)
RESULT = thing(
    ["message"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=MESSAGE,
    locations=things(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    properties=BAG,
)
NOTICE = thing(["message"], message=MESSAGE, level=LEVEL)
RUN = thing(
    ["tool"],
    tool=thing(["driver"], driver=DRIVER),
    automationDetails=thing([], id=TEXT),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations=things(
        thing(
            ["executionSuccessful"], executionSuccessful={"type": "boolean"}, toolExecutionNotifications=things(NOTICE)
        )
    ),
    results=things(RESULT),
)
LOG = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": things(RUN),
    },
    "additionalProperties": False,
}

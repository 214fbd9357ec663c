"""What would break clients of v1 is found; what is added is not taken for it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from a2a_node.web.api.document.breaking import breaking

Document = dict[str, Any]
Change = Callable[[Document], object]
OLD: Document = {
    "openapi": "3.0.3",
    "info": {"version": "v1"},
    "paths": {
        "/a/{id}": {
            "get": {
                "operationId": "getA",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}},
            },
            "post": {"operationId": "setA", "requestBody": {"required": False, "content": {"application/json": {}}}},
        }
    },
    "components": {
        "schemas": {
            "A": {
                "type": "object",
                "required": ["n"],
                "properties": {
                    "n": {"type": "integer", "format": "int32"},
                    "kind": {"type": "string", "enum": ["X", "Y"]},
                    "long": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
                    "required": {"type": "boolean"},
                },
            }
        }
    },
}


def a_of(document: Document) -> Document:
    """The one schema."""
    found = document["components"]["schemas"]["A"]
    assert isinstance(found, dict)
    return found


def get_of(document: Document) -> Document:
    """One operation."""
    found = document["paths"]["/a/{id}"]["get"]
    assert isinstance(found, dict)
    return found


NEEDED = {"name": "q", "in": "query", "required": True}
BREAKS: dict[str, Change] = {
    "a path is gone": lambda it: it["paths"].clear(),
    "a method is gone": lambda it: it["paths"]["/a/{id}"].pop("post"),
    "an operation has another name": lambda it: get_of(it).update(operationId="fetchA"),
    "a parameter is gone": lambda it: get_of(it)["parameters"].clear(),
    "a parameter is new and needed": lambda it: get_of(it)["parameters"].append(NEEDED),
    "a body is needed": lambda it: it["paths"]["/a/{id}"]["post"]["requestBody"].update(required=True),
    "an answer is gone": lambda it: get_of(it)["responses"].clear(),
    "a schema is gone": lambda it: it["components"]["schemas"].clear(),
    "a field is gone": lambda it: a_of(it)["properties"].pop("kind"),
    "a field by the name of a keyword is gone": lambda it: a_of(it)["properties"].pop("required"),
    "a field has another type": lambda it: a_of(it)["properties"]["n"].update(type="string"),
    "a field has another format": lambda it: a_of(it)["properties"]["n"].update(format="int64"),
    "a field is needed": lambda it: a_of(it)["required"].append("kind"),
    "a value is gone": lambda it: a_of(it)["properties"]["kind"]["enum"].remove("X"),
    "a choice is another one": lambda it: a_of(it)["properties"]["long"]["oneOf"][1].update(type="number"),
}
ADDS: dict[str, Change] = {
    "nothing": lambda _: None,
    "a path": lambda it: it["paths"].update({"/b": {"get": {"operationId": "getB"}}}),
    "a parameter": lambda it: get_of(it)["parameters"].append({"name": "q", "in": "query"}),
    "a field": lambda it: a_of(it)["properties"].update(more={"type": "string"}),
    "a value": lambda it: a_of(it)["properties"]["kind"]["enum"].append("Z"),
    "a schema with needs": lambda it: it["components"]["schemas"].update(B={"type": "object", "required": ["x"]}),
    "words": lambda it: (it["info"].update(title="a"), a_of(it).update(description="b")),
    "less need": lambda it: a_of(it)["required"].clear(),
    "an end of use": lambda it: get_of(it).update(deprecated=True),
}


@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS.keys())
def test_what_breaks_clients_is_found(change: Change) -> None:
    """One break each, by its place."""
    new = deepcopy(OLD)
    change(new)
    assert list(breaking(OLD, new)) != []


@pytest.mark.parametrize("change", ADDS.values(), ids=ADDS.keys())
def test_what_is_added_breaks_nobody(change: Change) -> None:
    """However much it is."""
    new = deepcopy(OLD)
    change(new)
    assert list(breaking(OLD, new)) == []

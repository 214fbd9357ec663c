"""JSON Schemas: whether one is one, and what in a value does not fit it. Nothing is ever fetched for a `$ref`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NoReturn

import jsonschema_rs

from a2a_node.model.workflows import Object

MOST_FAULTS = 20  # of one value
KEPT = 256  # compiled schemas
SHOWN = 200  # characters of a message


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not fit: where in the value, by which keyword of the schema, and why."""

    path: tuple[str | int, ...]
    keyword: str
    message: str


def schema_fault(schema: Object) -> str:
    """What is wrong with a schema, in words; empty when nothing is."""
    try:
        _compiled(json.dumps(schema))
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return str(error).splitlines()[0][:SHOWN]
    return ""


def value_faults(schema: Object, value: object) -> Sequence[Fault]:
    """What in a value does not fit a schema, at most MOST_FAULTS; none where the schema itself is no good."""
    return tuple(islice(_faults(schema, value), MOST_FAULTS))


def _faults(schema: Object, value: object) -> Iterator[Fault]:
    try:
        validator = _compiled(json.dumps(schema))
    except (ValueError, jsonschema_rs.ReferencingError):
        return
    for error in validator.iter_errors(value):
        keyword = str(error.schema_path[-1]) if error.schema_path else ""
        yield Fault(tuple(error.instance_path), keyword, error.message[:SHOWN])


@lru_cache(KEPT)
def _compiled(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        json.loads(schema), retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions()
    )


def _nowhere(uri: str) -> NoReturn:
    """Schemas stand alone: what they refer to elsewhere could be anything, and this process would ask for it."""
    raise ValueError(f"{uri[:80]} is elsewhere, and nothing is fetched")


def at(schema: Object, path: Sequence[str]) -> Object | None:
    """The schema of a part of a value, as far as `properties` say it; None for a part that there cannot be.

    An empty one allows anything, and is what is known of all that is said in other ways.
    """
    for name in path:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or "$ref" in schema:
            return {}
        if name not in properties:
            return None if schema.get("additionalProperties") is False else {}
        inner = properties[name]
        schema = inner if isinstance(inner, Mapping) else {}
    return schema


def types_of(schema: Object) -> frozenset[str]:
    """The JSON types that a schema allows, as far as `type` says it; an empty set where it does not."""
    said = schema.get("type", ())
    found = {said} if isinstance(said, str) else {one for one in said if isinstance(one, str)}  # type: ignore[attr-defined]
    return frozenset(found | {"integer"} if "number" in found else found)

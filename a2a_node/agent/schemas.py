"""Types to validators, serializers and JSON Schemas: the one place that asks pydantic to read a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, create_model
from pydantic.errors import PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema

from a2a_node.model.errors import InvalidInput

T = TypeVar("T")
PREFIX = "in_"
_create = cast("Callable[..., type[BaseModel]]", create_model)  # its signature has no room for fields from a mapping
_UNUSED = "type-adapter-config-unused"


def _unprefixed(name: str) -> str:
    return name.removeprefix(PREFIX)


# Fields are prefixed inside: a parameter may be called `json`, `copy` or `_`, which are taken or forbidden in a model.
_CONFIG = ConfigDict(extra="forbid", alias_generator=_unprefixed, ser_json_bytes="base64", val_json_bytes="base64")


class _Plain(GenerateJsonSchema):
    """Schemas without a title on every field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Never."""
        del schema
        return False


def model_of(place: str, fields: Mapping[str, tuple[object, object]]) -> type[BaseModel]:
    """A model of named fields, each a type and a default (`...` for none), that refuses others; InvalidInput."""
    try:
        return _create("Fields", __config__=_CONFIG, **{f"{PREFIX}{name}": kind for name, kind in fields.items()})
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
        raise _unreadable(place, error) from error


def adapter_of(place: str, kind: object) -> TypeAdapter[object]:
    """What validates and serializes values of a type, bytes as base64; InvalidInput names the place otherwise."""
    try:
        return TypeAdapter(
            cast("type[object]", kind), config=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        )
    except PydanticUserError as error:
        if error.code == _UNUSED:
            return TypeAdapter(cast("type[object]", kind))
        raise _unreadable(place, error) from error


def schema_of(place: str, adapter: TypeAdapter[T], mode: Literal["validation", "serialization"]) -> dict[str, object]:
    """The JSON Schema of a type; InvalidInput names the place when JSON cannot say it."""
    try:
        schema = adapter.json_schema(mode=mode, schema_generator=_Plain)
    except PydanticUserError as error:
        raise _unreadable(place, error) from error
    return {name: value for name, value in schema.items() if name != "title"}


def is_object(schema: Mapping[str, object]) -> bool:
    """Whether every value of the schema is a JSON object."""
    definitions = cast("Mapping[str, Mapping[str, object]]", schema.get("$defs", {}))
    return _is_object(schema, definitions)


def only_text(schema: Mapping[str, object]) -> str:
    """The name of the only property of an object when this is a string; else an empty one."""
    properties = cast("Mapping[str, Mapping[str, object]]", schema.get("properties", {}))
    return next(
        (name for name, kind in properties.items() if kind.get("type") == "string" and len(properties) == 1), ""
    )


def _is_object(schema: Mapping[str, object], definitions: Mapping[str, Mapping[str, object]]) -> bool:
    if "$ref" in schema:
        return _is_object(definitions[str(schema["$ref"]).removeprefix("#/$defs/")], definitions)
    choices = cast("list[Mapping[str, object]]", schema.get("anyOf", schema.get("oneOf", [])))
    if choices:
        return all(_is_object(choice, definitions) for choice in choices)
    return schema.get("type") == "object"


def _unreadable(place: str, error: Exception) -> InvalidInput:
    return InvalidInput(place, f"has a type that cannot be read as JSON: {str(error).splitlines()[0]}")

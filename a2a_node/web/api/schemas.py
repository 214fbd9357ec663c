"""JSON Schemas of the contract's messages, made from their descriptors: what the document says and what requests are.

JSON is protobuf's own, with the names of fields as the contract writes them. Whole numbers of 64 bits are texts, as
JavaScript would round them; in a request a number will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

Schema = Mapping[str, object]
Kind = Descriptor | EnumDescriptor
Told = Callable[[str], str]  # what the contract says of a full name; empty where nothing is known

INT64 = "Int64"
DURATION, BASE64 = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$", r"^([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2,3}={0,2})?$"
WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": DURATION},
    "google.protobuf.FieldMask": {"type": "string"},
}
INT64_SCHEMA: Schema = {
    "description": "A whole number of 64 bits: a text in answers, a text or a number in requests.",
    "oneOf": [{"type": "string", "pattern": "^-?[0-9]{1,19}$"}, {"type": "integer", "format": "int64"}],
}
LONG = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
}


class Schemas:
    """Schemas that refer to each other under `root`; `told` describes them, `both` takes JSON's names, too."""

    def __init__(self, root: str, told: Told = lambda _: "", *, both: bool = False) -> None:
        self._root, self._told, self._both = root, told, both

    def message(self, message: Descriptor, without: Sequence[str] = ()) -> Schema:
        """A message as an object with its fields and no others; `without` are fields that it has elsewhere."""
        fields = [field for field in message.fields if field.name not in without]
        properties = {name: self.field(field) for field in fields for name in self._names(field)}
        return self._described(
            {"type": "object", "properties": properties, "additionalProperties": False}, message.full_name
        )

    def enum(self, enum: EnumDescriptor) -> Schema:
        """An enum as the names of its values."""
        return self._described({"type": "string", "enum": [value.name for value in enum.values]}, enum.full_name)

    def field(self, field: FieldDescriptor) -> Schema:
        """What a field holds."""
        if is_map(field):
            inner = self._one(value_of(field))
            return self._described({"type": "object", "additionalProperties": inner}, field.full_name)
        one = self._one(field)
        if field.is_repeated:
            return self._described({"type": "array", "items": one}, field.full_name)
        about = self._told(field.full_name)
        if about and "$ref" in one:  # nothing beside a $ref counts in OpenAPI 3.0
            return {"allOf": [one], "description": about}
        return self._described(one, field.full_name)

    def _one(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            known = WELL_KNOWN.get(field.message_type.full_name)
            return self._ref(field.message_type.name) if known is None else known
        if field.enum_type is not None:
            return self._ref(field.enum_type.name)
        if field.cpp_type in LONG:
            return self._ref(INT64)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "format": "byte", "pattern": BASE64}
        return SCALARS.get(field.cpp_type, {"type": "string"})

    def _names(self, field: FieldDescriptor) -> Sequence[str]:
        return (field.name, field.json_name) if self._both and field.name != field.json_name else (field.name,)

    def _ref(self, name: str) -> Schema:
        return {"$ref": f"{self._root}{name}"}

    def _described(self, schema: Schema, name: str) -> Schema:
        about = self._told(name)
        return {**schema, "description": about} if about else schema


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map, which its descriptor calls a list of entries."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def value_of(field: FieldDescriptor) -> FieldDescriptor:
    """What a map has under its keys."""
    assert field.message_type is not None  # noqa: S101 - it is a map
    return field.message_type.fields_by_name["value"]


def reached(messages: Sequence[Kind]) -> Mapping[str, Kind]:
    """All messages and enums that these lead to, themselves included, by their names; the well-known ones left out."""
    found: dict[str, Kind] = {}
    left = list(messages)
    while left:
        kind = left.pop()
        if kind.name in found or kind.full_name in WELL_KNOWN:
            continue
        found[kind.name] = kind
        if isinstance(kind, Descriptor):
            left.extend(kinds_of(kind))
    return dict(sorted(found.items()))


def kinds_of(message: Descriptor) -> Iterator[Kind]:
    """The messages and enums that its fields hold."""
    for field in message.fields:
        inner = value_of(field) if is_map(field) else field
        if inner.message_type is not None:
            yield inner.message_type
        elif inner.enum_type is not None:
            yield inner.enum_type

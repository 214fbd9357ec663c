"""Whether the JSON of a request is what the document says, and its message; what is wrong is told by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.message import Message

from a2a_node.model.errors import InvalidInput
from a2a_node.web.api.resources import Endpoint
from a2a_node.web.api.schemas import INT64, INT64_SCHEMA, Schema, Schemas, reached

if TYPE_CHECKING:
    import jsonschema_rs

TOLD = 20  # fields that are said to be wrong at most
ROOT = "#/$defs/"
PLACE = re.compile(r' at "?\w+\.([\w.\[\]]+)')
SEVERAL = re.compile(r'multiple "(\w+)" oneof fields')
FIELD = re.compile(r"Failed to parse (\w+) field: ")
MASK = "google.protobuf.FieldMask"


class Check:
    """Makes requests of one endpoint from JSON; the fields that its path fills are not looked for in it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._request = endpoint.descriptor.input_type
        self._whole = "message" if endpoint.talks else "body"  # what the JSON is called as a whole
        self._message = message_factory.GetMessageClass(self._request)
        without = [place for place in endpoint.places.values() if "." not in place]
        self._validator = _validator(self._request, without)
        self._masks = [
            field.name
            for field in self._request.fields
            if field.message_type is not None and field.message_type.full_name == MASK
        ]

    def check(self, fields: object) -> Mapping[str, object]:
        """The fields themselves; InvalidInput names all that are wrong."""
        found = (fault for error in self._validator.iter_errors(fields) for fault in _faults(error, self._whole))
        faults = list(islice(found, TOLD))
        if faults or not isinstance(fields, dict):
            (field, problem), *more = faults or [(self._whole, "must be a JSON object")]
            raise InvalidInput(field, problem, more)
        return fields

    def message(self, fields: Mapping[str, object]) -> Message:
        """The request that fields make, which were checked; InvalidInput."""
        masks = {name: _camel(str(fields[name])) for name in self._masks if name in fields}
        request: Message = self._message()
        try:
            return json_format.ParseDict({**fields, **masks}, request)
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise InvalidInput(*_place(str(error), self._whole)) from None


def _validator(request: Descriptor, without: Sequence[str]) -> jsonschema_rs.Validator:
    import jsonschema_rs  # noqa: PLC0415 - 4 MB; nobody may ever ask over HTTP

    schemas = Schemas(ROOT, both=True)
    kinds: dict[str, Schema] = {
        name: schemas.enum(kind) if isinstance(kind, EnumDescriptor) else schemas.message(kind)
        for name, kind in reached([request]).items()
    }
    whole = {**schemas.message(request, without), "$defs": {**kinds, INT64: INT64_SCHEMA}}
    return jsonschema_rs.validator_for(whole, mask="it", pattern_options=jsonschema_rs.RegexOptions())


def _faults(error: jsonschema_rs.ValidationError, whole: str) -> Iterator[tuple[str, str]]:
    place = _written(error.instance_path)
    for name in getattr(error.kind, "unexpected", ()):
        yield f"{place}.{name}".lstrip(".")[:200], "there is no such field here"
    if not hasattr(error.kind, "unexpected"):
        yield place or whole, _problem(error)


def _problem(error: jsonschema_rs.ValidationError) -> str:
    if error.kind.name == "oneOf":  # of which there is one, INT64
        return "must be a whole number, or a text of its digits"
    return error.message.replace("it is not", "must be", 1)[:300]


def _written(path: Sequence[str | int]) -> str:
    """A path in JSON as people write it, such as `agent.tags[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")[:200]


def _place(problem: str, whole: str) -> tuple[str, str]:
    """Where protobuf says that something is wrong, and what."""
    place, fields = PLACE.search(problem), FIELD.findall(problem)
    if several := SEVERAL.search(problem):
        return place[1].rstrip(".") if place else several[1], "is said in several ways at once; leave all but one out"
    said = re.sub(r' at "?\w+Request\b.*', "", FIELD.sub("", problem), flags=re.DOTALL)
    return (place[1].rstrip(".") if place else ".".join(fields) or whole), said.strip(" .")[:300]


def _camel(mask: str) -> str:
    """A mask as protobuf's JSON has it, from names as the contract writes them."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), mask)

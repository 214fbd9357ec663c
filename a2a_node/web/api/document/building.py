"""The document: a path for every endpoint, a schema for every message, and what holds for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor

from a2a_node.web.api.document import own
from a2a_node.web.api.document.comments import first_sentence
from a2a_node.web.api.document.examples import EXAMPLES, Example
from a2a_node.web.api.positions import LAST_EVENT, place_of
from a2a_node.web.api.resources import Endpoint, endpoints_of
from a2a_node.web.api.routing import PLACE
from a2a_node.web.api.schemas import INT64, INT64_SCHEMA, WELL_KNOWN, Kind, Schema, Schemas, kinds_of, reached

ROOT = "#/components/schemas/"
REQUIRED = re.compile(r"\bRequired\b(?! (to|as|unless|where|when|for))")
JSON, EVENTS = "application/json", "text/event-stream"
NOTHING = Example()


@dataclass(frozen=True, slots=True)
class Contract:
    """The RPCs by their full names, and what comments say of full names."""

    methods: Mapping[str, MethodDescriptor]
    comments: Mapping[str, str]

    def told(self, name: str) -> str:
        """The comment at a full name; empty where there is none."""
        return self.comments.get(name, "")


def document(contract: Contract) -> Mapping[str, object]:
    """The whole of it, as YAML and JSON have it."""
    endpoints = endpoints_of(contract.methods)
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, contract)
    services = {endpoint.descriptor.containing_service for endpoint in endpoints}
    tags = [{"name": _tag(name), "description": contract.told(name)} for name in sorted(s.full_name for s in services)]
    return {
        **own.HEAD,
        "tags": [*tags, own.TAG],
        "paths": {**own.PATHS, **dict(sorted(paths.items()))},
        "components": {**own.COMPONENTS, "schemas": _schemas(endpoints, contract)},
    }


def _schemas(endpoints: Sequence[Endpoint], contract: Contract) -> Mapping[str, Schema]:
    schemas, bodies = Schemas(ROOT, contract.told), dict[str, Schema]()
    for endpoint in endpoints:
        if endpoint.has_body:
            bodies[endpoint.descriptor.input_type.name] = _body(endpoint, schemas, contract)
    inner = [kind for endpoint in endpoints for kind in _kinds(endpoint)]
    kinds = {
        name: schemas.enum(kind) if isinstance(kind, EnumDescriptor) else schemas.message(kind)
        for name, kind in reached(inner).items()
    }
    return dict(sorted({**kinds, **bodies, INT64: INT64_SCHEMA, **own.SCHEMAS}.items()))


def _kinds(endpoint: Endpoint) -> Iterator[Kind]:
    """The answer of an endpoint, and what is in its body; what is in a query stands with its parameters."""
    yield endpoint.descriptor.output_type
    if endpoint.talks:
        yield endpoint.descriptor.input_type
    if endpoint.has_body:
        yield from kinds_of(endpoint.descriptor.input_type)


def _body(endpoint: Endpoint, schemas: Schemas, contract: Contract) -> Schema:
    request = endpoint.descriptor.input_type
    without = [path for path in endpoint.places.values() if "." not in path]
    filled = {path.partition(".")[0] for path in endpoint.places.values()}  # by the path, if only in part
    required = [
        field.name
        for field in request.fields
        if field.name not in filled and REQUIRED.search(contract.told(field.full_name)) and not field.containing_oneof
    ]
    schema = schemas.message(request, without)
    return {**schema, "required": required} if required else schema


def _operation(endpoint: Endpoint, contract: Contract) -> Mapping[str, object]:
    method, example = endpoint.descriptor, EXAMPLES.get(endpoint.name, NOTHING)
    about = contract.told(method.full_name)
    operation: dict[str, object] = {
        "operationId": _id(endpoint),
        "tags": [_tag(method.containing_service.full_name)],
        "summary": first_sentence(about),
        "description": f"{about}\n\nRPC `{endpoint.rpc.strip('/')}`.",
    }
    if method.GetOptions().deprecated:
        operation["deprecated"] = True
    if endpoint.talks:
        parameters = [*_places(endpoint, contract, example)]
        return {**operation, "parameters": parameters, "responses": {**_talk(endpoint), **own.REFUSALS}}
    if parameters := [*_places(endpoint, contract, example), *_query(endpoint, contract, example), *_last(endpoint)]:
        operation["parameters"] = parameters
    if endpoint.has_body:
        operation["requestBody"] = _request(endpoint, contract, example)
    return {**operation, "responses": {"200": _answer(endpoint, contract), **own.REFUSALS}}


def _request(endpoint: Endpoint, contract: Contract, example: Example) -> Mapping[str, object]:
    name = endpoint.descriptor.input_type.name
    content: dict[str, object] = {"schema": {"$ref": f"{ROOT}{name}"}}
    if example.body is not None:
        content["example"] = example.body
    required = "required" in _body(endpoint, Schemas(ROOT, contract.told), contract)
    return {"required": required, "content": {JSON: content}}


def _answer(endpoint: Endpoint, contract: Contract) -> Mapping[str, object]:
    answer = endpoint.descriptor.output_type
    about = contract.told(answer.full_name) or answer.name
    ref = {"$ref": f"{ROOT}{answer.name}"}
    content = {EVENTS: {"x-event": ref}} if endpoint.streams else {JSON: {"schema": ref}}
    said = f"{about} {own.STREAMED}" if endpoint.streams else about
    return {"description": said, "headers": own.HEADERS, "content": content}


def _id(endpoint: Endpoint) -> str:
    """The operation's; that of a WebSocket has a name of its own, as generators call its parameters `...Request`."""
    return f"{endpoint.name[0].lower()}{endpoint.name[1:]}{'Socket' if endpoint.talks else ''}"


def _talk(endpoint: Endpoint) -> Mapping[str, object]:
    """The answers of a WebSocket; OpenAPI has no words for what is said on it."""
    said, heard = (f"{ROOT}{kind.name}" for kind in (endpoint.descriptor.input_type, endpoint.descriptor.output_type))
    about = own.TALKED.format(*(ref.rpartition("/")[2] for ref in (said, heard)))
    messages = {"x-websocket": {"client": {"$ref": said}, "server": {"$ref": heard}}}
    return {"101": {"description": about, "headers": own.HEADERS, **messages}, "426": own.NO_UPGRADE}


def _places(endpoint: Endpoint, contract: Contract, example: Example) -> Iterator[Mapping[str, object]]:
    for place in PLACE.findall(endpoint.path):
        field = _field(endpoint.descriptor.input_type, endpoint.places[place])
        parameter = {"name": place, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        yield _shown(parameter, contract.told(field.full_name), example.path.get(place))


def _query(endpoint: Endpoint, contract: Contract, example: Example) -> Iterator[Mapping[str, object]]:
    if endpoint.has_body:
        return
    taken = {path for path in endpoint.places.values() if "." not in path}
    request = endpoint.descriptor.input_type
    oneofs = {request.fields_by_name[path].containing_oneof for path in taken} - {None}
    fields = [f for f in request.fields if f.name not in taken and f.containing_oneof not in oneofs]
    for name, field in _flat(fields, ""):
        schema = Schemas(ROOT).field(field)
        kind = _inline(schema, field)
        yield _shown(
            {"name": name, "in": "query", "schema": kind}, contract.told(field.full_name), example.query.get(name)
        )


def _flat(fields: Sequence[FieldDescriptor], within: str) -> Iterator[tuple[str, FieldDescriptor]]:
    """The fields of a query, those of messages within by their paths."""
    for field in fields:
        inner = field.message_type
        if inner is not None and inner.full_name not in WELL_KNOWN:
            yield from _flat(inner.fields, f"{within}{field.name}.")
        else:
            yield f"{within}{field.name}", field


def _inline(schema: Schema, field: FieldDescriptor) -> Schema:
    """A parameter's schema without what refers to others: a query has texts alone."""
    if field.enum_type is not None:
        one = {"type": "string", "enum": [value.name for value in field.enum_type.values]}
        return {"type": "array", "items": one} if field.is_repeated else one
    if schema.get("$ref") == f"{ROOT}{INT64}":
        return {"type": "string", "pattern": "^-?[0-9]{1,19}$"}
    return schema


def _last(endpoint: Endpoint) -> Iterator[Mapping[str, object]]:
    if endpoint.streams and place_of(endpoint.descriptor):
        yield {"name": LAST_EVENT, "in": "header", "description": own.RESUMED, "schema": {"type": "string"}}


def _shown(parameter: Mapping[str, object], about: str, example: object) -> Mapping[str, object]:
    told = {**parameter, "description": about} if about else parameter
    return told if example is None else {**told, "example": example}


def _field(message: Descriptor, path: str) -> FieldDescriptor:
    first, _, rest = path.partition(".")
    field = message.fields_by_name[first]
    return _field(field.message_type, rest) if rest and field.message_type is not None else field


def _tag(service: str) -> str:
    return service.rpartition(".")[2].removesuffix("Service")

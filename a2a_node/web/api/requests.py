"""From an HTTP request, or a text of a WebSocket, to the message of its RPC: by its path, its query, its body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.types import Scope

from a2a_node.model.errors import InvalidInput
from a2a_node.web.api.checking import Check
from a2a_node.web.api.positions import LAST_EVENT, resumed
from a2a_node.web.api.resources import Endpoint
from a2a_node.web.api.schemas import LONG, SCALARS

LARGE = 64 * 1024  # bytes from which on a body is read in a thread
PARAMETERS = 200  # of a query
WHOLE = re.compile(r"-?[0-9]{1,19}")
JSON_TYPES = re.compile(r"application/(json|[\w.+-]+\+json)\s*(;.*)?", re.IGNORECASE)
Checks = dict[str, Check]


class Reader:
    """Reads requests; what checks those of an endpoint is made with the first one and kept."""

    def __init__(self) -> None:
        self._checks: Checks = {}

    async def read(self, endpoint: Endpoint, places: Mapping[str, str], scope: Scope, body: bytes) -> Message:
        """The message that a request is; InvalidInput."""
        if len(body) > LARGE:
            return await asyncio.to_thread(partial(self._read, endpoint, places, scope, body))
        return self._read(endpoint, places, scope, body)

    async def one(self, endpoint: Endpoint, places: Mapping[str, str], text: str) -> Message:
        """One message of a client that streams; `places` are for the first, none for those after it. InvalidInput."""
        if len(text) > LARGE:
            return await asyncio.to_thread(partial(self._one, endpoint, places, text))
        return self._one(endpoint, places, text)

    def _one(self, endpoint: Endpoint, places: Mapping[str, str], text: str) -> Message:
        check = self._check(endpoint)
        fields = dict(check.check(_parsed(text, "message")))
        for place, value in places.items():
            path = endpoint.places[place]
            if not fields or path.partition(".")[0] in fields:  # else it is another message, and the service says so
                _put(fields, path, value)
        return check.message(fields)

    def _check(self, endpoint: Endpoint) -> Check:
        check = self._checks.get(endpoint.name)
        if check is None:
            check = self._checks[endpoint.name] = Check(endpoint)
        return check

    def _read(self, endpoint: Endpoint, places: Mapping[str, str], scope: Scope, body: bytes) -> Message:
        check = self._check(endpoint)
        fields = dict(check.check(_fields(endpoint, scope, body)))
        if endpoint.streams and (last := Headers(scope=scope).get(LAST_EVENT)):
            fields = resumed(endpoint.descriptor, fields, last)
        if "resume" not in fields:  # which says itself which call it is
            for place, text in places.items():
                _put(fields, endpoint.places[place], text)
        return check.message(fields)


def _fields(endpoint: Endpoint, scope: Scope, body: bytes) -> object:
    if not endpoint.has_body:
        if body:
            raise InvalidInput("body", f"{endpoint.method} takes none; parameters stand in the query")
        return queried(endpoint.descriptor.input_type, scope["query_string"])
    if scope["query_string"]:
        raise InvalidInput("query", f"{endpoint.method} takes none; fields stand in the body")
    if not body:
        return {}
    kind = Headers(scope=scope).get("content-type", "application/json")
    if not JSON_TYPES.fullmatch(kind.strip()):
        raise InvalidInput("content-type", "must be application/json")
    return _parsed(body, "body")


def _parsed(text: bytes | str, whole: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(whole, f"is no JSON: {error.msg} at {where}") from None


def queried(request: Descriptor, query: bytes) -> Mapping[str, object]:
    """The fields that a query names; those of messages within by paths such as `filter.user_id`. InvalidInput."""
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=PARAMETERS, errors="strict")
    except ValueError:  # of which UnicodeDecodeError is one
        raise InvalidInput("query", f"must be UTF-8, of at most {PARAMETERS} parameters") from None
    fields: dict[str, object] = {}
    for name, text in pairs:
        field = _field(request, name)
        if field is None:
            raise InvalidInput(name[:200], "there is no such parameter here")
        value = _value(field, text)
        if field.is_repeated:
            value = [*_listed(fields, name), value]
        elif _listed(fields, name):
            raise InvalidInput(name[:200], "is given twice")
        _put(fields, name, value)
    return fields


def _field(message: Descriptor, path: str) -> FieldDescriptor | None:
    first, _, rest = path.partition(".")
    field = message.fields_by_name.get(first) or message.fields_by_camelcase_name.get(first)
    if field is None or not rest:
        return field
    inner = None if field.is_repeated else field.message_type
    return None if inner is None else _field(inner, rest)


def _value(field: FieldDescriptor, text: str) -> object:
    """What a text stands for; where it does not fit it stays a text, and the check says so."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.cpp_type in LONG:
        return text
    if field.cpp_type in SCALARS:
        return int(text) if WHOLE.fullmatch(text) else text
    return text


def _listed(fields: Mapping[str, object], path: str) -> list[object]:
    """What a path has by now."""
    value: object = fields
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def _put(fields: dict[str, object], path: str, value: object) -> None:
    """Set the field of a path; InvalidInput where something else stands there already."""
    *outer, last = path.split(".")
    for name in outer:
        inner = fields.setdefault(name, {})
        if not isinstance(inner, dict):
            raise InvalidInput(path[:200], f"{name} is given already")
        fields = inner
    if fields.setdefault(last, value) != value and not isinstance(value, list):
        raise InvalidInput(path[:200], "is another one than in the path")
    fields[last] = value

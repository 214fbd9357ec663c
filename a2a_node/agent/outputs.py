"""What a function returns, to payloads in the encoding that was asked in.

An answer is always a JSON object, so a result that is none is wrapped as `{"result": value}`, in the schema too.
Whether it is wrapped depends on the return type alone; only where this says nothing (none, or `object`) on the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from a2a_node.agent.schemas import adapter_of, is_object, model_of, only_text, schema_of
from a2a_node.model.payload import TEXT, Payload

T = TypeVar("T")
RESULT = "result"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Writer:
    """How a result becomes a payload, given the payload that asked for it; and the JSON Schema of the output object."""

    schema: Mapping[str, object]
    write: Callable[[object, Payload], Payload]


def writer(place: str, kind: object) -> Writer:
    """Writes results of a type: `Payload` and `bytes` as they are, all others as JSON; InvalidInput."""
    if kind is Payload:
        return Writer({}, lambda value, _: _exactly(Payload, value))
    if kind is bytes:
        return Writer({}, lambda value, _: Payload(_exactly(bytes, value), BYTES))
    adapter = adapter_of(place, kind)
    schema = schema_of(place, adapter, "serialization")
    if is_object(schema):
        return Writer(schema, _Json(adapter, only_text(schema)))
    if not schema:
        return Writer({"type": "object"}, _Json(adapter, RESULT, _wrapped_unless_object))
    whole: TypeAdapter[object] = TypeAdapter(model_of(place, {RESULT: (kind, ...)}))
    return Writer(schema_of(place, whole, "serialization"), _Json(adapter, RESULT, _wrapped))


def _exactly(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"returned {type(value).__name__} instead of {kind.__name__}")
    return value


def _bare(data: bytes) -> bytes:
    return data


def _wrapped(data: bytes) -> bytes:
    return b'{"result":%b}' % data


def _wrapped_unless_object(data: bytes) -> bytes:
    return data if data.startswith(b"{") else _wrapped(data)


@dataclass(frozen=True, slots=True)
class _Json:
    adapter: TypeAdapter[object]
    text: str  # the property that alone is the answer to a text, when it is a string
    shaped: Callable[[bytes], bytes] = _bare

    def __call__(self, value: object, asked: Payload) -> Payload:
        data = self.shaped(self._dumped(value))
        if isinstance(asked.body, bytes):
            return Payload(data)
        answer: dict[str, object] = orjson.loads(data)
        if not isinstance(asked.body, str):
            return Payload(answer)
        words = answer.get(self.text)
        return Payload(words, TEXT) if isinstance(words, str) else Payload(data)

    def _dumped(self, value: object) -> bytes:
        return self._at_once(value) or self.adapter.serializer.to_json(
            self._fitted(value), by_alias=True, warnings="none"
        )

    def _at_once(self, value: object) -> bytes | None:
        """The JSON of a value that is just what the type says; None for any other."""
        if value is None:  # which pydantic would write as `null`, whatever the type
            return None
        try:
            return self.adapter.serializer.to_json(value, by_alias=True, warnings="error")
        except PydanticSerializationError:
            return None

    def _fitted(self, value: object) -> object:
        """The value as the type would have it: a dict that fits the model is as good as the model."""
        try:
            return self.adapter.validator.validate_python(value)
        except ValidationError as error:
            # Not chained, and only its places told: pydantic's text quotes the values, which belong into no log.
            faults = error.errors(include_url=False, include_context=False, include_input=False)[:5]
            places = ", ".join(".".join(map(str, fault["loc"])) or RESULT for fault in faults)
            problem = f"returned {type(value).__name__}, which does not fit its return type at {places}"
        raise TypeError(problem)

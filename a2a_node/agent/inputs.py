"""Payloads to what a function takes, validated in one step; a violation names its field as `input.<path>`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from a2a_node.agent.schemas import PREFIX, adapter_of, is_object, model_of, schema_of
from a2a_node.model.errors import InvalidInput
from a2a_node.model.payload import EMPTY, JSON, Payload

ITEM = "item"  # the property that carries a streamed input which is no JSON object itself
MAX_FAULTS = 20
MAX_READ_FAULTS = 1000  # to list a million faults takes seconds, in which nobody else is served


@dataclass(frozen=True, slots=True)
class Reader:
    """How one payload becomes arguments by name, and the JSON Schema of the input object."""

    schema: Mapping[str, object]
    read: Callable[[Payload], dict[str, object]]


def fields(place: str, takes: Mapping[str, tuple[object, object]]) -> Reader:
    """Reads an object of named fields, each a type and a default (`...` for none); a lone `Payload` stays one."""
    if [kind for kind, _ in takes.values()] == [Payload]:
        return _whole(next(iter(takes)))
    model = model_of(place, takes)
    adapter: TypeAdapter[object] = TypeAdapter(model)
    check = _Check(adapter, _sole(model, str), _sole(model, bytes))
    names = [(name, f"{PREFIX}{name}") for name in takes]

    def read(payload: Payload) -> dict[str, object]:
        values = check(payload).__dict__
        return {name: values[key] for name, key in names}

    return Reader(schema_of(place, adapter, "validation"), read)


def element(place: str, kind: object) -> Reader:
    """Reads one streamed input into the argument `item`: the object itself, or what its property `item` holds."""
    if kind is Payload:
        return _whole(ITEM)
    adapter = adapter_of(place, kind)
    schema = schema_of(place, adapter, "validation")
    if not is_object(schema):
        return fields(place, {ITEM: (kind, ...)})
    check = _Check(adapter)
    return Reader(schema, lambda payload: {ITEM: check(payload)})


class Inputs:
    """The inputs of one call, read when they are asked for; `first` is the payload whose encoding the answers have."""

    __slots__ = ("_read", "_requests", "first")

    def __init__(self, requests: AsyncIterator[Payload], read: Callable[[Payload], dict[str, object]]) -> None:
        self._requests, self._read = requests, read
        self.first = EMPTY

    async def one(self) -> dict[str, object]:
        """The arguments that the first input gives, an empty object when there is none; later ones are not read."""
        self.first = payload = await anext(self._requests, EMPTY)
        return self._read(payload)

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        payload = await anext(self._requests)
        if self.first is EMPTY:
            self.first = payload
        return self._read(payload)[ITEM]


@dataclass(frozen=True, slots=True)
class _Check:
    adapter: TypeAdapter[object]
    text: str = ""  # the only string field, which a text payload fills
    data: str = ""  # the only bytes field, which bytes that are no JSON fill

    def __call__(self, payload: Payload) -> object:
        body = payload.body
        try:
            if isinstance(body, bytes) and (payload.media_type == JSON or _is_json(payload.media_type)):
                return self.adapter.validator.validate_json(body or b"{}")
            if isinstance(body, (str, bytes)):
                return self.adapter.validator.validate_python({self._field_for(payload): body})
            # By way of JSON, so that a struct means just what the same JSON in bytes means.
            return self.adapter.validator.validate_json(to_json(body))
        except ValidationError as error:
            raise _refused(error) from None

    def _field_for(self, payload: Payload) -> str:
        is_text = isinstance(payload.body, str)
        name = self.text if is_text else self.data
        if not name:
            given, kind = ("text", "string") if is_text else (payload.media_type[:80], "`bytes`")
            raise InvalidInput("input", f"is {given}, which only fits a capability that takes one {kind}; send JSON")
        return name


def _whole(name: str) -> Reader:
    return Reader({}, lambda payload: {name: payload})


def _sole(model: type[BaseModel], kind: type) -> str:
    fitting = [info for info in model.model_fields.values() if info.annotation in (kind, kind | None)]
    return str(fitting[0].validation_alias) if len(fitting) == 1 else ""


def _is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == JSON or essence.endswith("+json")


def _refused(error: ValidationError) -> InvalidInput:
    if error.error_count() > MAX_READ_FAULTS:
        return InvalidInput("input", f"has {error.error_count()} faults; compare it with the capability's input schema")
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
    faults = [(_path(fault["loc"]), fault["msg"]) for fault in found]
    return InvalidInput(*faults[0], more=faults[1:])


def _path(location: tuple[int | str, ...]) -> str:
    return "input" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)

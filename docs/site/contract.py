"""The pages of the contract: services with their RPCs and messages, and the reasons of errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from a2a_node.web.api.document.comments import told_by

CONTRACT = Path(__file__).parents[2] / "build" / "contract.binpb"  # `make docs` writes it
PACKAGE = "a2amesh.v1"
PROTOCOL = """# Protocol

The package `a2amesh.v1`, from `protos/a2amesh/v1` with its comments. The same API over HTTP: [HTTP](../http.md).
"""
ERRORS = """# Errors

Every failure has a gRPC status and, in `google.rpc.ErrorInfo` of domain `a2amesh`, one of these reasons; over HTTP it
stands in `error.reason`.

| reason | when |
|---|---|
"""
REASONS = "ErrorReason"
PREFIX = "ERROR_REASON_"


@cache
def _files() -> tuple[FileDescriptorProto, ...]:
    files = FileDescriptorSet.FromString(CONTRACT.read_bytes())
    return tuple(file for file in files.file if file.package == PACKAGE)


@cache
def _comments() -> Mapping[str, str]:
    return told_by(FileDescriptorSet(file=_files()))


def protocol() -> str:
    """A section for each service, then one for each message and enum."""
    return PROTOCOL + "\n".join([*_services(), *_messages(), *_enums()]) + "\n"


def errors() -> str:
    """A row for each reason."""
    (enum,) = (enum for file in _files() for enum in file.enum_type if enum.name == REASONS)
    rows = [f"| `{value.name.removeprefix(PREFIX)}` | {_reason(value.name)} |" for value in enum.value[1:]]
    return ERRORS + "\n".join(rows) + "\n"


def _reason(name: str) -> str:
    said = _row(name).removeprefix(f"{name}: ")
    return said[:1].upper() + said[1:]


def _services() -> Iterator[str]:
    for file in _files():
        for service in file.service:
            yield f"\n## {service.name}\n\n{_told(service.name)}\n\n| RPC | request | answer | |\n|---|---|---|---|"
            for method in service.method:
                yield _method(service.name, method)


def _method(service: str, method: MethodDescriptorProto) -> str:
    asked = ("stream of " if method.client_streaming else "") + _type(method.input_type)
    said = ("stream of " if method.server_streaming else "") + _type(method.output_type)
    return f"| `{method.name}` | {asked} | {said} | {_row(f'{service}.{method.name}')} |"


def _messages() -> Iterator[str]:
    yield "\n## Messages"
    for message in sorted((message for file in _files() for message in file.message_type), key=lambda each: each.name):
        if message.field:
            yield from _message(message)
        else:
            yield f"\n### {message.name}\n\n{_told(message.name)}"


def _message(message: DescriptorProto) -> Iterator[str]:
    yield f"\n### {message.name}\n\n{_told(message.name)}\n\n| field | type | |\n|---|---|---|"
    for field in message.field:
        yield f"| `{field.name}` | {_kind(field)} | {_row(f'{message.name}.{field.name}')} |"


def _enums() -> Iterator[str]:
    yield "\n## Enums"
    for enum in sorted((enum for file in _files() for enum in file.enum_type), key=lambda each: each.name):
        if enum.name != REASONS:
            yield from _enum(enum)


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"\n### {enum.name}\n\n{_told(enum.name)}\n\n| value | |\n|---|---|"
    for value in enum.value:
        yield f"| `{value.name}` | {_row(value.name)} |"


def _kind(field: FieldDescriptorProto) -> str:
    repeated = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
    if field.type_name:
        return repeated + _type(field.type_name)
    return repeated + FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _type(name: str) -> str:
    short = name.removeprefix(f".{PACKAGE}.")
    return f"[{short}](#{short.lower()})" if name.startswith(f".{PACKAGE}.") and "." not in short else f"`{name[1:]}`"


def _told(name: str) -> str:
    return _comments().get(f"{PACKAGE}.{name}", "")


def _row(name: str) -> str:
    return _told(name).replace("\n", " ").replace("|", "\\|")

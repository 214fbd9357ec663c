"""What the contract's comments say, by the full names of what they stand at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

MESSAGES, ENUMS, SERVICES, FIELDS, NESTED, VALUES, METHODS = 4, 5, 6, 2, 3, 2, 2  # of descriptor.proto
Named = Iterator[tuple[tuple[int, ...], str]]


def told_by(files: FileDescriptorSet) -> Mapping[str, str]:
    """Comments by full names, each in one paragraph where the contract has it in one."""
    found: dict[str, str] = {}
    for file in files.file:
        names = dict(_names(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name and location.leading_comments:
                found[name] = _paragraphs(location.leading_comments)
    return found


def first_sentence(text: str) -> str:
    """A summary: up to the first point that ends a sentence."""
    return text.partition("\n")[0].partition(". ")[0].rstrip(".")


def _paragraphs(comment: str) -> str:
    blocks = comment.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in block.splitlines()) for block in blocks)


def _names(file: FileDescriptorProto) -> Named:
    for index, message in enumerate(file.message_type):
        yield from _of_message(message, (MESSAGES, index), file.package)
    for index, enum in enumerate(file.enum_type):
        yield from _of_enum(enum, (ENUMS, index), file.package)
    for index, service in enumerate(file.service):
        yield (SERVICES, index), f"{file.package}.{service.name}"
        methods: Sequence[str] = [method.name for method in service.method]
        for number, method in enumerate(methods):
            yield (SERVICES, index, METHODS, number), f"{file.package}.{service.name}.{method}"


def _of_message(message: DescriptorProto, path: tuple[int, ...], within: str) -> Named:
    name = f"{within}.{message.name}"
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, FIELDS, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _of_message(nested, (*path, NESTED, index), name)


def _of_enum(enum: EnumDescriptorProto, path: tuple[int, ...], within: str) -> Named:
    yield path, f"{within}.{enum.name}"
    for index, value in enumerate(enum.value):
        yield (*path, VALUES, index), f"{within}.{value.name}"

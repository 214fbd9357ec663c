"""Answers as JSON: protobuf's own, with the contract's names, and every field that has a value by default."""

from __future__ import annotations

import asyncio

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

from a2a_node.model.errors import AgentProtocol

LARGE = 64 * 1024  # bytes from which on an answer is written in a thread


async def as_json(message: Message) -> bytes:
    """A message in one line; AgentProtocol for numbers that JSON does not have, which an agent alone can have said."""
    if message.ByteSize() > LARGE:
        return await asyncio.to_thread(_written, message)
    return _written(message)


def _written(message: Message) -> bytes:
    try:
        fields = json_format.MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    except (json_format.SerializeToJsonError, ValueError) as error:
        raise AgentProtocol("", f"its output is no JSON: {error}") from None
    return orjson.dumps(fields)

"""An attached agent as it has said hello."""

from __future__ import annotations

from dataclasses import dataclass

from a2a_node.model.agents import AgentDescriptor, Instance, InstanceKind
from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import fresh_uuid
from a2a_node.wire.agents import to_descriptor
from a2amesh.v1 import agent_host_service_pb2 as pb

INPUT_CREDIT, MOST_INPUT_CREDIT = 16, 1024
MAX_CALLS, MOST_CALLS = 1000, 100_000
UNTOLD_LIMIT = 4 * 1024 * 1024 - 64 * 1024  # bytes of an input that gRPC libraries take unless told otherwise


@dataclass(frozen=True, slots=True)
class Guest:
    """Who is attached, and what it asked for."""

    agent: AgentDescriptor
    owner: str
    instance: Instance
    input_credit: int
    max_calls: int
    payload_limit: int  # bytes of an input that it takes
    reads_batches: bool
    moves: bool  # to another node when this one is about to stop


def guest_of(hello: pb.AttachHello, owner: str, node_id: str, payload_limit: int) -> Guest:
    """Who has said hello, as a fresh instance of its agent; InvalidInput names the field at fault."""
    if hello.payload_limit < 0:
        raise InvalidInput("hello.payload_limit", f"{hello.payload_limit} must not be negative")
    agent = to_descriptor(hello.agent)
    instance = Instance(fresh_uuid(), agent.name, node_id, InstanceKind.ATTACHED, version=agent.version)
    return Guest(
        agent,
        owner,
        instance,
        input_credit=_within("input_credit", hello.input_credit, INPUT_CREDIT, MOST_INPUT_CREDIT),
        max_calls=_within("max_calls", hello.max_calls, MAX_CALLS, MOST_CALLS),
        payload_limit=min(hello.payload_limit or UNTOLD_LIMIT, payload_limit),
        reads_batches=hello.reads_batches,
        moves=hello.moves,
    )


def _within(field: str, asked: int, usual: int, most: int) -> int:
    if asked > most:
        raise InvalidInput(f"hello.{field}", f"{asked} is too many, the limit is {most}")
    return asked or usual

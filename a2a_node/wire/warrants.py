"""Warrants to bytes and back, and what a step's call says in its metadata."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from a2a_node.model.errors import EnvelopeInvalid, InvalidInput
from a2a_node.model.trace import BAGGAGE, TRACEPARENT, TRACESTATE, to_trace
from a2a_node.model.warrants import StepOfRun, Warrant
from a2a_node.wire.calls import ENGINE_KEY, RUN, STEP, WARRANT
from a2a_node.wire.envelopes import principal_of, scopes_of
from a2amesh.v1 import warrant_pb2 as pb

Entries = tuple[tuple[str, str | bytes], ...]


def from_warrant(warrant: Warrant) -> bytes:
    """The bytes of a warrant, as they are kept with its run."""
    return pb.Warrant(
        run_id=warrant.run_id,
        principal=str(warrant.principal),
        key_scopes=None if warrant.scopes is None else scopes_of(warrant.scopes),
        key_id=warrant.key,
        authority=[str(principal) for principal in warrant.authority],
        scopes=[scopes_of(scopes) for scopes in warrant.above],
        path=warrant.path,
        root_call_id=warrant.root or warrant.run_id,
        budget_id=warrant.purse,
        traceparent=str(warrant.trace) if warrant.trace else "",
        tracestate=warrant.trace.state if warrant.trace else "",
        baggage=warrant.baggage,
    ).SerializeToString(deterministic=True)


def to_warrant(data: object) -> Warrant:
    """The warrant that a node wrote; EnvelopeInvalid for what none would write."""
    try:
        return _read(pb.Warrant.FromString(data if isinstance(data, bytes) else b""))
    except (DecodeError, InvalidInput):
        raise EnvelopeInvalid("malformed", "the warrant of its run cannot be read") from None


def entries_of(key: str, authority: bytes, step: StepOfRun) -> Entries:
    """What the call of a step says: the engine's key, the warrant of its run, which step it is, and its trace."""
    warrant = pb.Warrant.FromString(authority)
    said = (
        (TRACEPARENT, warrant.traceparent),
        (TRACESTATE, warrant.tracestate),
        (BAGGAGE, warrant.baggage),
    )
    joins = tuple(entry for entry in said if entry[1])
    return ((ENGINE_KEY, key), (WARRANT, authority), (RUN, step.run_id), (STEP, step.step), *joins)


def _read(message: pb.Warrant) -> Warrant:
    return Warrant(
        message.run_id,
        principal_of(message.principal),
        tuple(message.key_scopes.permissions) if message.HasField("key_scopes") else None,
        message.key_id,
        tuple(principal_of(text) for text in message.authority),
        tuple(tuple(each.permissions) for each in message.scopes),
        tuple(message.path),
        message.root_call_id,
        message.budget_id,
        to_trace(message.traceparent, message.tracestate),
        message.baggage,
    )

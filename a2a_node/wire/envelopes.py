"""Envelopes to messages and back, as they travel from node to node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.envelope import Envelope, Handed, Stamp
from a2a_node.model.errors import EnvelopeInvalid, InvalidInput
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.wire.agents import seconds
from a2amesh.v1 import envelope_pb2 as pb


def from_handed(handed: Handed, stamp: Stamp, now: float) -> bytes:
    """The bytes of what is handed on; the deadline goes as the time left, less a margin for the way.

    What is the same for many calls is written once and kept: 6 of 29 µs are left.
    """
    envelope = handed.envelope
    message = pb.Envelope(
        sequence=stamp.sequence,
        idempotency_key=handed.idempotency_key,
        call_id=envelope.id,
        parent_call_id=envelope.parent,
        root_call_id=envelope.root,
        budget_id=envelope.purse,
    )
    if envelope.budget is not None:
        message.budgeted = True
        message.budget_left.update(envelope.budget)
    _write(message.issue_time, stamp.issued_at)
    _write(message.time_left, margined(envelope.time_left(now)))
    way = stamp.issuer, stamp.audience, stamp.boot, handed.agent, handed.capability, envelope.path
    return (
        _lasting(way, handed.principal, handed.scopes, envelope.authority, envelope.scopes)
        + message.SerializeToString()
    )


@lru_cache(256)  # whose calls go from one agent to another: of up to 64 KiB each, and mostly of 100 bytes
def _lasting(
    way: tuple[str, str, int, str, str, Sequence[str]],
    principal: Principal,
    key_scopes: Sequence[str] | None,
    authority: Sequence[Principal],
    scopes: Sequence[Sequence[str]],
) -> bytes:
    """What an envelope has in common with others; two messages one after the other are one with the fields of both."""
    issuer, audience, boot, agent, capability, path = way
    return pb.Envelope(
        issuer=issuer,
        audience=audience,
        boot=boot,
        agent=agent,
        capability=capability,
        path=path,
        principal=str(principal),
        key_scopes=None if key_scopes is None else scopes_of(key_scopes),
        authority=[str(each) for each in authority],
        scopes=[scopes_of(each) for each in scopes],
    ).SerializeToString()


def _write(message: Timestamp | Duration, seconds: float) -> None:
    """Say a time or a span, which is not negative; the library's own way takes longer."""
    message.seconds, message.nanos = divmod(round(seconds * 1e9), 10**9)


def to_handed(data: bytes, now: float) -> tuple[Handed, Stamp]:
    """What was handed on, its deadline on this process's clock; EnvelopeInvalid for what no node writes."""
    try:
        return _read(pb.Envelope.FromString(data), now)
    except (DecodeError, InvalidInput):
        raise EnvelopeInvalid("malformed", "it cannot be read") from None


def margined(left: float) -> float:
    """What is left for whoever is next: 1 % and 1 ms less, so that no hop gains time by rounding or on the way."""
    return max(0.0, left * 0.99 - 0.001)


def _read(message: pb.Envelope, now: float) -> tuple[Handed, Stamp]:
    left = seconds(message.time_left)
    envelope = Envelope(
        deadline=now + left,
        allowance=left,
        path=tuple(message.path),
        parent=message.parent_call_id,
        root=message.root_call_id,
        authority=tuple(map(principal_of, message.authority)),
        id=message.call_id,
        scopes=tuple([tuple(each.permissions) for each in message.scopes]),  # a list is made sooner than a generator
        budget=dict(message.budget_left) if message.budgeted else None,
        purse=message.budget_id,
    )
    scopes = tuple(message.key_scopes.permissions) if message.HasField("key_scopes") else None
    issued_at = message.issue_time.seconds + message.issue_time.nanos / 1e9
    told = message.agent, message.capability, message.idempotency_key
    return (
        Handed(envelope, principal_of(message.principal), scopes, *told),
        Stamp(message.issuer, message.audience, issued_at, message.boot, message.sequence),
    )


@lru_cache(4096)  # the same few come again and again: 3 of the 19 µs of opening
def principal_of(text: str) -> Principal:
    """The principal that a node wrote; InvalidInput."""
    return checked_principal("principal", text)


def scopes_of(permissions: Sequence[str]) -> pb.EnvelopeScopes:
    """The message of what bounds a key."""
    return pb.EnvelopeScopes(permissions=permissions)

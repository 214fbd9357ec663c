"""Envelopes to messages and back, as they travel from node to node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from google.protobuf.message import DecodeError

from a2a_node.model.envelope import Envelope, Handed, Stamp
from a2a_node.model.errors import EnvelopeInvalid, InvalidInput
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.wire.agents import duration, seconds
from a2amesh.v1 import envelope_pb2 as pb


def from_handed(handed: Handed, stamp: Stamp, now: float) -> bytes:
    """The bytes of what is handed on; the deadline goes as the time left, less a margin for the way."""
    envelope = handed.envelope
    message = pb.Envelope(
        issuer=stamp.issuer,
        audience=stamp.audience,
        boot=stamp.boot,
        sequence=stamp.sequence,
        agent=handed.agent,
        capability=handed.capability,
        idempotency_key=handed.idempotency_key,
        call_id=envelope.id,
        parent_call_id=envelope.parent,
        root_call_id=envelope.root,
        path=envelope.path,
        time_left=duration(margined(envelope.time_left(now))),
        principal=str(handed.principal),
        key_scopes=None if handed.scopes is None else _scopes(handed.scopes),
        authority=[str(principal) for principal in envelope.authority],
        scopes=[_scopes(scopes) for scopes in envelope.scopes],
        budgeted=envelope.budget is not None,
        budget_left=envelope.budget or {},
    )
    message.issue_time.FromNanoseconds(round(stamp.issued_at * 1e9))
    return message.SerializeToString(deterministic=True)


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
        authority=tuple(_principal(text) for text in message.authority),
        id=message.call_id,
        scopes=tuple(tuple(each.permissions) for each in message.scopes),
        budget=dict(message.budget_left) if message.budgeted else None,
    )
    scopes = tuple(message.key_scopes.permissions) if message.HasField("key_scopes") else None
    issued_at = message.issue_time.seconds + message.issue_time.nanos / 1e9
    return (
        Handed(
            envelope, _principal(message.principal), scopes, message.agent, message.capability, message.idempotency_key
        ),
        Stamp(message.issuer, message.audience, issued_at, message.boot, message.sequence),
    )


@lru_cache(4096)  # the same few come again and again: 3 of the 19 µs of opening
def _principal(text: str) -> Principal:
    return checked_principal("principal", text)


def _scopes(permissions: Sequence[str]) -> pb.EnvelopeScopes:
    return pb.EnvelopeScopes(permissions=permissions)

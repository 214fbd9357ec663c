"""Envelopes to messages and back, as they travel from node to node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.envelope import Envelope, Handed, Stamp
from a2a_node.model.errors import EnvelopeInvalid, InvalidInput
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.wire.agents import seconds
from a2amesh.v1 import envelope_pb2 as pb

ALIKE = 256  # beginnings of envelopes that are kept: of up to 64 KiB each, and mostly of 100 bytes
SIZES = 8  # of as many lengths
FOLLOWS = b"\x1a"  # the tag of `issue_time`, with which goes on what is new in an envelope, and no beginning does


class Lasting(NamedTuple):
    """What an envelope has in common with others: whose calls go from where to which agent, and in whose name."""

    issuer: str
    audience: str
    boot: int
    agent: str
    capability: str
    path: tuple[str, ...]
    principal: Principal
    key_scopes: tuple[str, ...] | None
    authority: tuple[Principal, ...]
    scopes: tuple[tuple[str, ...], ...]


class Beginnings:
    """How envelopes have begun that were read: most begin as one of them, and only what follows has to be read.

    For envelopes whose seal is good: a node writes what lasts before what is new, and nothing of it again.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Lasting] = {}
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._known)

    def of(self, data: bytes) -> tuple[Lasting | None, int]:
        """What is known of how the envelope begins, and how many bytes that are; None and 0 where nothing is."""
        for size in self._sizes:
            lasting = self._known.get(data[:size])
            if lasting is not None and data.startswith(FOLLOWS, size):  # else there may be more, such as scopes
                return lasting, size
        return None, 0

    def keep(self, data: bytes, lasting: Lasting) -> None:
        """Know the beginning of an envelope from now on, if it was written as one."""
        beginning = _beginning(lasting)
        size = len(beginning)
        if not data.startswith(beginning) or not data.startswith(FOLLOWS, size):
            return
        if len(self._known) >= ALIKE or (size not in self._sizes and len(self._sizes) >= SIZES):
            self._known.clear()
            self._sizes.clear()
        self._known[beginning] = lasting
        if size not in self._sizes:
            self._sizes.append(size)


def from_handed(handed: Handed, stamp: Stamp, now: float) -> bytes:
    """The bytes of what is handed on; the deadline goes as the time left, less a margin for the way.

    What is the same for many calls is written once and kept: 5 of 29 µs are left.
    """
    envelope, message = handed.envelope, pb.Envelope()  # filled field by field, which takes half as long
    message.sequence, message.call_id, message.root_call_id = stamp.sequence, envelope.id, envelope.root
    if envelope.parent:
        message.parent_call_id = envelope.parent
    if envelope.purse:
        message.budget_id = envelope.purse
    if handed.idempotency_key:
        message.idempotency_key = handed.idempotency_key
    if envelope.budget is not None:
        message.budgeted = True
        message.budget_left.update(envelope.budget)
    _write(message.issue_time, stamp.issued_at)
    _write(message.time_left, margined(envelope.time_left(now)))
    lasting = Lasting(
        stamp.issuer,
        stamp.audience,
        stamp.boot,
        handed.agent,
        handed.capability,
        envelope.path,
        handed.principal,
        handed.scopes,
        envelope.authority,
        envelope.scopes,
    )
    return _beginning(lasting) + message.SerializeToString()


@lru_cache(ALIKE)
def _beginning(lasting: Lasting) -> bytes:
    """The bytes of what lasts; two messages one after the other are one with the fields of both."""
    key_scopes = lasting.key_scopes
    return pb.Envelope(
        issuer=lasting.issuer,
        audience=lasting.audience,
        boot=lasting.boot,
        agent=lasting.agent,
        capability=lasting.capability,
        path=lasting.path,
        principal=str(lasting.principal),
        key_scopes=None if key_scopes is None else scopes_of(key_scopes),
        authority=[str(each) for each in lasting.authority],
        scopes=[scopes_of(each) for each in lasting.scopes],
    ).SerializeToString()


def _write(message: Timestamp | Duration, seconds: float) -> None:
    """Say a time or a span, which is not negative; the library's own way takes longer."""
    message.seconds, message.nanos = divmod(round(seconds * 1e9), 10**9)


def to_handed(data: bytes, now: float, known: Beginnings) -> tuple[Handed, Stamp]:
    """What was handed on, its deadline on this process's clock; EnvelopeInvalid for what no node writes."""
    try:
        lasting, size = known.of(data)
        message = pb.Envelope.FromString(data[size:])
        if lasting is None:
            lasting = _lasting(message)
            known.keep(data, lasting)
        return _read(message, lasting, now)
    except (DecodeError, InvalidInput):
        raise EnvelopeInvalid("malformed", "it cannot be read") from None


def margined(left: float) -> float:
    """What is left for whoever is next: 1 % and 1 ms less, so that no hop gains time by rounding or on the way."""
    return max(0.0, left * 0.99 - 0.001)


def _lasting(message: pb.Envelope) -> Lasting:
    return Lasting(
        message.issuer,
        message.audience,
        message.boot,
        message.agent,
        message.capability,
        tuple(message.path),
        principal_of(message.principal),
        tuple(message.key_scopes.permissions) if message.HasField("key_scopes") else None,
        tuple(map(principal_of, message.authority)),
        tuple(tuple(each.permissions) for each in message.scopes),
    )


def _read(message: pb.Envelope, lasting: Lasting, now: float) -> tuple[Handed, Stamp]:
    left, issued = seconds(message.time_left), message.issue_time
    envelope = Envelope(  # by place, as the rest: with its fields' names it takes twice as long
        now + left,
        left,
        lasting.path,
        message.parent_call_id,
        message.root_call_id,
        lasting.authority,
        message.call_id,
        lasting.scopes,
        dict(message.budget_left) if message.budgeted else None,
        message.budget_id,
    )
    told = lasting.principal, lasting.key_scopes, lasting.agent, lasting.capability, message.idempotency_key
    issued_at = issued.seconds + issued.nanos / 1e9
    return (
        Handed(envelope, *told),
        Stamp(lasting.issuer, lasting.audience, issued_at, lasting.boot, message.sequence),
    )


@lru_cache(4096)  # the same few come again and again: 3 of the 19 µs of opening
def principal_of(text: str) -> Principal:
    """The principal that a node wrote; InvalidInput."""
    return checked_principal("principal", text)


def scopes_of(permissions: Sequence[str]) -> pb.EnvelopeScopes:
    """The message of what bounds a key."""
    return pb.EnvelopeScopes(permissions=permissions)

"""Freezes to messages and back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC

from a2a_node.model.errors import InvalidInput
from a2a_node.model.freezes import Freeze, FreezeKind, FreezeTarget, Progress, Unconfirmed
from a2a_node.model.names import checked_name, checked_uuid
from a2a_node.model.principal import checked_principal
from a2a_node.wire.agents import timestamp
from a2a_node.wire.grants import moment_in
from a2amesh.v1 import access_pb2 as pb


def to_target(message: pb.FreezeTarget) -> FreezeTarget:
    """The target of a message; InvalidInput for none, or one that is wrong."""
    kind = message.WhichOneof("target")
    if kind == "agent":
        return FreezeTarget(FreezeKind.AGENT, checked_name("target.agent", message.agent))
    if kind == "principal":
        return FreezeTarget(FreezeKind.PRINCIPAL, str(checked_principal("target.principal", message.principal)))
    if kind == "root_call_id":
        return FreezeTarget(FreezeKind.CALL, checked_uuid("target.root_call_id", message.root_call_id))
    raise InvalidInput("target", "is required: an agent, a principal or a root call")


def from_target(target: FreezeTarget) -> pb.FreezeTarget:
    """The message of a target."""
    if target.kind is FreezeKind.AGENT:
        return pb.FreezeTarget(agent=target.name)
    if target.kind is FreezeKind.PRINCIPAL:
        return pb.FreezeTarget(principal=target.name)
    return pb.FreezeTarget(root_call_id=target.name)


def from_freeze(freeze: Freeze, confirmed: Sequence[Progress], living: Collection[str] = ()) -> pb.Freeze:
    """The message of a freeze, with what nodes have confirmed, and those that live and have confirmed nothing."""
    silent = sorted(set(living) - {one.node for one in confirmed})
    return pb.Freeze(
        freeze_id=freeze.id,
        target=from_target(freeze.target),
        reason=freeze.reason,
        created_by=freeze.created_by,
        create_time=timestamp(freeze.created_at),
        expire_time=timestamp(freeze.expires_at),
        lifted_by=freeze.lifted_by,
        lift_time=timestamp(freeze.lifted_at),
        nodes=[*map(_from_progress, confirmed), *(pb.FreezeProgress(node_id=node) for node in silent)],
    )


def to_unconfirmed(message: pb.UnconfirmedStop) -> Unconfirmed:
    """The call of a message whose stop is not confirmed."""
    return Unconfirmed(message.call_id, message.agent, message.instance_id, message.lost)


def to_freeze(message: pb.Freeze) -> Freeze:
    """The freeze of a message."""
    return Freeze(
        message.freeze_id,
        to_target(message.target),
        message.reason,
        message.created_by,
        message.create_time.ToDatetime(UTC),
        moment_in(message, "expire_time"),
        message.lifted_by,
        moment_in(message, "lift_time"),
    )


def _from_progress(one: Progress) -> pb.FreezeProgress:
    return pb.FreezeProgress(
        node_id=one.node,
        enforced=True,
        stopped_calls=one.stopped,
        stopping_calls=one.stopping,
        unconfirmed=[
            pb.UnconfirmedStop(call_id=each.call, agent=each.agent, instance_id=each.instance, lost=each.lost)
            for each in one.unconfirmed
        ],
    )

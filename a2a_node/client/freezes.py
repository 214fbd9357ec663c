"""The kill switch: agents, principals and call trees that are stopped in the whole mesh."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.model.freezes import Freeze, FreezeKind, FreezeTarget, Unconfirmed
from a2a_node.wire.agents import duration
from a2a_node.wire.freezes import from_target, to_freeze, to_unconfirmed
from a2amesh.v1 import access_pb2
from a2amesh.v1 import access_service_pb2 as pb

_FREEZE = Rpc("AccessService/Freeze", pb.FreezeRequest, pb.FreezeResponse)
_UNFREEZE = Rpc("AccessService/Unfreeze", pb.UnfreezeRequest, pb.UnfreezeResponse)
_LIST = Rpc("AccessService/ListFreezes", pb.ListFreezesRequest, pb.ListFreezesResponse)


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """What a node has confirmed of a freeze: that it refuses new calls, and how many running ones are over."""

    node: str
    enforced: bool
    stopped: int
    stopping: int
    unconfirmed: Sequence[Unconfirmed] = ()  # the first 20 of those that are stopping


@dataclass(frozen=True, slots=True)
class FreezeState:
    """A freeze, and how far each node is with it."""

    freeze: Freeze
    nodes: Sequence[NodeProgress]


class FreezeTerms(TypedDict, total=False):
    """How a freeze is made."""

    ttl: float  # seconds; absent means until it is lifted
    wait: float  # seconds to wait for what nodes confirm, up to 30; absent means 2


def target(text: str) -> FreezeTarget:
    """The target that `agent:NAME`, `call:UUID` or a principal such as `person:ada` names."""
    kind, _, name = text.partition(":")
    if kind in (FreezeKind.AGENT, FreezeKind.CALL):
        return FreezeTarget(FreezeKind(kind), name)
    return FreezeTarget(FreezeKind.PRINCIPAL, text)


class Freezes:
    """Freezes. What they stop is written as `agent:echo`, `person:ada`, `node:n1`, or `call:` and a root call's id."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def freeze(self, what: str, reason: str, **how: Unpack[FreezeTerms]) -> FreezeState:
        """Stop something in the whole mesh; what is frozen already answers the freeze that holds."""
        ttl, wait = how.get("ttl"), how.get("wait")
        request = pb.FreezeRequest(
            target=from_target(target(what)),
            reason=reason,
            ttl=None if ttl is None else duration(ttl),
            wait=None if wait is None else duration(wait),
        )
        return _state((await self._connection.ask(_FREEZE, request, terms())).freeze)

    async def unfreeze(self, freeze_id: str) -> FreezeState:
        """Lift a freeze; FreezeNotFound."""
        request = pb.UnfreezeRequest(freeze_id=freeze_id)
        return _state((await self._connection.ask(_UNFREEZE, request, terms())).freeze)

    async def list(self, what: str = "", *, include_lifted: bool = False) -> AsyncIterator[FreezeState]:
        """Freezes, the newest first, fetched page by page."""
        of = from_target(target(what)) if what else None
        request = pb.ListFreezesRequest(target=of, include_lifted=include_lifted)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.freezes:
                yield _state(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _state(message: access_pb2.Freeze) -> FreezeState:
    return FreezeState(to_freeze(message), [_progress(one) for one in message.nodes])


def _progress(message: access_pb2.FreezeProgress) -> NodeProgress:
    unconfirmed = [to_unconfirmed(one) for one in message.unconfirmed]
    return NodeProgress(message.node_id, message.enforced, message.stopped_calls, message.stopping_calls, unconfirmed)

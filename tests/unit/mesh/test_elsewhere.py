"""Calls by their ids, wherever in the mesh they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import pytest
from google.protobuf.message import Message

from a2a_node.client.connection import Rpc
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.elsewhere import FIND, Elsewhere
from a2a_node.model.errors import CallNotFound, NodeUnreachable
from a2a_node.model.nodes import Node, NodeStatus
from a2amesh.v1 import agent_service_pb2, peer_service_pb2
from tests.unit.mesh.calls import call

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
ID = "3f0b8f9e-58c4-4a3e-8d5c-1a9d3f1c0a11"


@dataclass
class Mesh:
    """Other nodes, and what they know: True for a call that was carried there, None for no answer."""

    known: dict[str, bool | None]
    status: dict[str, NodeStatus] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def nodes(self) -> Sequence[Node]:
        """All of them."""
        return [Node(name, "a", status=self.status.get(name, NodeStatus.ALIVE)) for name in ("me", "n1", "n2", "n3")]

    async def ask(self, node_id: str, rpc: Rpc[Q, R], _: Q) -> R:
        """What a node says."""
        self.asked.append((node_id, rpc.name))
        carried = self.known.get(node_id, ...)
        if carried is None:
            raise NodeUnreachable(node_id)
        if carried is ...:
            return rpc.response()
        record = agent_service_pb2.Call(call_id=ID, agent=node_id, status=agent_service_pb2.CALL_STATUS_RUNNING)
        made = peer_service_pb2.FindCallResponse if rpc.name == FIND.name else peer_service_pb2.EndCallResponse
        return cast("R", made(call=record, carried=carried))


async def tracked(calls: Calls, *, carrier: str = "") -> None:
    """A call of this node that has ended."""

    async def serve(_: object) -> None:
        """Do nothing."""

    asked = call()
    asked.id, asked.carrier, asked.agent = ID, carrier, "me"
    await calls.track(asked, serve)


async def test_a_call_of_this_node_is_asked_of_nobody() -> None:
    """It came in here, and nobody knows it better."""
    calls, mesh = Calls(), Mesh({})
    await tracked(calls)
    assert (await Elsewhere("me", calls, mesh, mesh).get(ID)).agent == "me"
    assert (await Elsewhere("me", calls, mesh, mesh).cancel(ID, "")).agent == "me"
    assert mesh.asked == []


async def test_the_node_at_which_a_call_came_in_has_the_word() -> None:
    """Before one that has served it, be it this one."""
    for known, carrier, teller in (
        ({"n1": True, "n2": False}, "", "n2"),
        ({"n1": True}, "", "n1"),
        ({"n2": False}, "n2", "n2"),
        ({"n1": True}, "n2", "me"),
    ):
        calls, mesh = Calls(), Mesh(dict(known))
        if carrier:
            await tracked(calls, carrier=carrier)
        elsewhere = Elsewhere("me", calls, mesh, mesh)
        assert (await elsewhere.get(ID)).agent == teller
        assert (await elsewhere.cancel(ID, "why")).agent == teller
        assert len(mesh.asked) == 6


async def test_nobody_knows_it() -> None:
    """Which is said only when everybody has been asked who may know it."""
    mesh = Mesh({})
    with pytest.raises(CallNotFound):
        await Elsewhere("me", Calls(), mesh, mesh).get(ID)
    mesh.known["n1"] = None
    with pytest.raises(NodeUnreachable):
        await Elsewhere("me", Calls(), mesh, mesh).get(ID)
    mesh.status["n1"] = NodeStatus.SUSPECT
    with pytest.raises(CallNotFound):
        await Elsewhere("me", Calls(), mesh, mesh).get(ID)
    mesh.status["n1"], mesh.asked = NodeStatus.GONE, []
    with pytest.raises(CallNotFound):
        await Elsewhere("me", Calls(), mesh, mesh).get(ID)
    assert "n1" not in dict(mesh.asked)


async def test_silence_of_one_does_not_hide_what_another_knows() -> None:
    """The call is found."""
    mesh = Mesh({"n1": None, "n2": False})
    assert (await Elsewhere("me", Calls(), mesh, mesh).get(ID)).agent == "n2"

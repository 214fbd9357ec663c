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
from a2a_node.model.call_ids import CallIds
from a2a_node.model.chosen_ids import ChosenId
from a2a_node.model.errors import CallNotFound, NodeLost, NodeUnreachable
from a2a_node.model.nodes import Node, NodeStatus
from a2amesh.v1 import agent_service_pb2, peer_service_pb2
from tests.unit.mesh.calls import call

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
ID = "3f0b8f9e-58c4-4a3e-8d5c-1a9d3f1c0a11"


ME = CallIds("me")


@dataclass
class Mesh:
    """Other nodes, and what they know: True for a call that was carried there, None for no answer."""

    known: dict[str, bool | None]
    status: dict[str, NodeStatus] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lost: bool = False  # what the others say of calls that they do not know

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
            answer = rpc.response()
            cast("peer_service_pb2.FindCallResponse", answer).lost = self.lost
            return answer
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


def elsewhere(calls: Calls, mesh: Mesh) -> Elsewhere:
    """What this node asks."""
    return Elsewhere(calls, mesh, mesh, ("me", ME))


async def test_a_call_of_this_node_is_asked_of_nobody() -> None:
    """It came in here, and nobody knows it better."""
    calls, mesh = Calls(), Mesh({})
    await tracked(calls)
    assert (await elsewhere(calls, mesh).get(ID)).agent == "me"
    assert (await elsewhere(calls, mesh).cancel(ID, "")).agent == "me"
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
        assert (await elsewhere(calls, mesh).get(ID)).agent == teller
        assert (await elsewhere(calls, mesh).cancel(ID, "why")).agent == teller
        assert len(mesh.asked) == 6


async def test_nobody_knows_it() -> None:
    """Which is said only when everybody has been asked who may know it."""
    mesh = Mesh({})
    with pytest.raises(CallNotFound):
        await elsewhere(Calls(), mesh).get(ID)
    mesh.known["n1"] = None
    with pytest.raises(NodeUnreachable):
        await elsewhere(Calls(), mesh).get(ID)
    mesh.status["n1"] = NodeStatus.SUSPECT
    with pytest.raises(CallNotFound):
        await elsewhere(Calls(), mesh).get(ID)
    mesh.status["n1"], mesh.asked = NodeStatus.GONE, []
    with pytest.raises(CallNotFound):
        await elsewhere(Calls(), mesh).get(ID)
    assert "n1" not in dict(mesh.asked)


async def test_silence_of_one_does_not_hide_what_another_knows() -> None:
    """The call is found."""
    mesh = Mesh({"n1": None, "n2": False})
    assert (await elsewhere(Calls(), mesh).get(ID)).agent == "n2"


async def test_the_node_that_made_an_id_is_asked_before_the_others() -> None:
    """And they are only where it does not know the call, which another one may have served."""
    mesh, made = Mesh({"n2": False}), CallIds("n2").fresh()
    assert (await elsewhere(Calls(), mesh).get(made)).agent == "n2"
    assert [name for name, _ in mesh.asked] == ["n2"]
    mesh.known, mesh.asked = {"n3": True}, []
    assert (await elsewhere(Calls(), mesh).get(made)).agent == "n3"
    assert {name for name, _ in mesh.asked} == {"n1", "n2", "n3"}
    mesh.known = {}
    with pytest.raises(CallNotFound):  # it was forgotten, or never made
        await elsewhere(Calls(), mesh).get(made)


async def test_a_call_of_a_node_that_is_gone_is_lost() -> None:
    """Which is not said before that is certain: while it may come back, it does not answer."""
    mesh, made = Mesh({"n2": None}), CallIds("n2").fresh()
    for status in (NodeStatus.ALIVE, NodeStatus.SUSPECT):
        mesh.status["n2"] = status
        with pytest.raises(NodeUnreachable):
            await elsewhere(Calls(), mesh).get(made)
    mesh.status["n2"] = NodeStatus.GONE
    for ask in (elsewhere(Calls(), mesh).get(made), elsewhere(Calls(), mesh).cancel(made, "why")):
        with pytest.raises(NodeLost):
            await ask
    mesh.known["n3"] = True  # it has served the call, and says what came of that
    assert (await elsewhere(Calls(), mesh).get(made)).agent == "n3"


async def test_a_call_of_an_earlier_process_is_lost() -> None:
    """Of this node, or of another one that says so."""
    with pytest.raises(NodeLost):
        await elsewhere(Calls(), Mesh({})).get(CallIds("me").fresh())
    with pytest.raises(NodeLost):
        await elsewhere(Calls(), Mesh({}, lost=True)).get(CallIds("n1").fresh())
    with pytest.raises(CallNotFound):
        await elsewhere(Calls(), Mesh({})).get(ME.fresh())


async def test_an_id_that_a_client_has_chosen_is_known_by_what_its_node_has_noted() -> None:
    """That one is asked first, and the call is lost with it, as one whose id it has made."""

    async def noted(call_id: str) -> ChosenId:
        return ChosenId(call_id, made, "person:ada", "echo")

    made, mesh = CallIds("n2").fresh(), Mesh({"n2": False})
    asker = Elsewhere(Calls(), mesh, mesh, ("me", ME), noted)
    assert (await asker.get(ID)).agent == "n2"
    assert [name for name, _ in mesh.asked] == ["n2"]
    mesh.known = {}
    with pytest.raises(CallNotFound):
        await asker.get(ID)
    mesh.lost = True
    for ask in (asker.get(ID), asker.cancel(ID, "why")):
        with pytest.raises(NodeLost):
            await ask
    mesh.lost, mesh.status["n2"] = False, NodeStatus.GONE
    with pytest.raises(NodeLost, match=ID):
        await asker.get(ID)


async def test_an_id_that_a_client_has_chosen_is_never_lost_by_guessing() -> None:
    """Whatever nodes are gone: nobody knows which one had it."""
    mesh = Mesh({}, dict.fromkeys(("n1", "n2", "n3"), NodeStatus.GONE))
    made = CallIds("n1").fresh()
    for chosen in (ID, CallIds("nobody").fresh(), f"{made[:14]}4{made[15:]}"):
        with pytest.raises(CallNotFound):
            await elsewhere(Calls(), mesh).get(chosen)

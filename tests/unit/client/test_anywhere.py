"""Several nodes of one mesh: the next one is asked where nobody has begun what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Connection, Rpc, Unanswered, Unsent
from a2a_node.model.call import Terms
from a2a_node.model.errors import MeshError, NodeDraining
from a2amesh.v1 import agent_service_pb2 as pb

GET = Rpc("AgentService/GetCall", pb.GetCallRequest, pb.GetCallResponse)


class Node:
    """A node that answers, or fails each time."""

    def __init__(self, failure: MeshError | None = None) -> None:
        self.failure = failure
        self.asked = 0

    async def ask(self, *_: object) -> pb.GetCallResponse:
        """One request."""
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return pb.GetCallResponse()


async def asked(*nodes: Node, token: str = "", times: int = 1) -> None:
    """Ask through these nodes."""
    anywhere = Anywhere(cast("Sequence[Connection]", nodes))
    for _ in range(times):
        await anywhere.ask(GET, pb.GetCallRequest(), Terms(token))


@pytest.mark.parametrize("failure", [NodeDraining("n1"), Unsent("127.0.0.1:1")])
async def test_who_cannot_begin_is_left_for_the_next_one(failure: MeshError) -> None:
    """And is asked no more."""
    first, second = Node(failure), Node()
    await asked(first, second, times=3)
    assert (first.asked, second.asked) == (1, 3)


async def test_what_may_have_begun_is_not_asked_again() -> None:
    """The answer was lost, perhaps, and not the request."""
    first, second = Node(Unanswered("127.0.0.1:1")), Node()
    with pytest.raises(Unanswered):
        await asked(first, second)
    assert second.asked == 0


async def test_at_work_only_the_node_is_asked_that_knows_the_call_token() -> None:
    """Another one could not continue the call."""
    first, second = Node(NodeDraining("n1")), Node()
    with pytest.raises(NodeDraining):
        await asked(first, second, token="t")
    assert second.asked == 0


async def test_all_are_asked_once_before_the_last_failure_is_told() -> None:
    """Nobody goes round for ever."""
    nodes = [Node(NodeDraining(name)) for name in ("n1", "n2", "n3")]
    with pytest.raises(NodeDraining, match="n3"):
        await asked(*nodes)
    assert [node.asked for node in nodes] == [1, 1, 1]

"""Watches that go on at the next node, without any: what is told once, and when there is nobody left to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from a2a_node.client import watching
from a2a_node.client.connection import Connection, Rpc, Unanswered
from a2a_node.client.watching import Watch, watched
from a2a_node.model.errors import MeshError, NodeDraining, PermissionDenied, StoreUnavailable
from a2amesh.v1 import cache_service_pb2 as pb

RPC = Rpc("CacheService/Subscribe", pb.SubscribeRequest, pb.SubscribeResponse)


class Node:
    """A node that tells ids after the last one asked for, a few at a time, and fails then."""

    def __init__(self, *turns: tuple[int, MeshError | None]) -> None:
        self._turns = list(turns)
        self.asked: list[int] = []

    async def listen(self, _: object, request: pb.SubscribeRequest, __: object) -> AsyncIterator[pb.SubscribeResponse]:
        """One turn."""
        self.asked.append(request.after_id)
        first = request.after_id
        count, failure = self._turns.pop(0) if self._turns else (0, Unanswered("gone"))
        for number in range(first + 1, first + 1 + count):
            yield pb.SubscribeResponse(message=pb.TopicMessage(id=number))
        if failure is not None:
            raise failure


def moved(request: pb.SubscribeRequest, told: pb.SubscribeResponse) -> None:
    """Continue after it."""
    request.after_id = told.message.id


WATCH = Watch(RPC, moved, lambda _, told: (told,))
LOST = Unanswered("lost")


async def heard(nodes: Sequence[Node], watch: Watch[pb.SubscribeRequest, pb.SubscribeResponse] = WATCH) -> list[int]:
    """The ids that are told until the end."""
    asked = cast("Sequence[Connection]", nodes)
    return [told.message.id async for told in watched(asked, watch, pb.SubscribeRequest())]


async def test_the_next_node_continues_after_what_was_told() -> None:
    """Round after round, over nodes that are away."""
    one, two, three = Node((2, LOST), (1, LOST)), Node((0, LOST), (2, None)), Node((3, LOST))
    assert await heard([one, two, three]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (one.asked, two.asked, three.asked) == ([0, 5], [2, 6], [2])


@pytest.mark.parametrize("failure", [StoreUnavailable("postgres"), NodeDraining("n1")], ids=["store", "draining"])
async def test_a_node_that_cannot_tell_now_is_as_good_as_lost(failure: MeshError) -> None:
    """The next one goes on, or the same one later."""
    only = Node((2, failure), (0, failure), (1, None))
    assert await heard([only]) == [1, 2, 3]
    one, two = Node((1, failure)), Node((2, None))
    assert await heard([one, two]) == [1, 2, 3]


async def test_without_an_answer_each_node_is_asked_once() -> None:
    """Then what the last one failed with is raised."""
    one, two = Node((0, LOST)), Node((0, Unanswered("the last")))
    with pytest.raises(Unanswered, match="the last"):
        await heard([one, two])
    assert (one.asked, two.asked) == ([0], [0])


async def test_what_a_node_refuses_is_raised_at_once() -> None:
    """It would be refused elsewhere, too."""
    two = Node((1, None))
    with pytest.raises(PermissionDenied):
        await heard([Node((1, PermissionDenied("person:bob", "cache:read", "no"))), two])
    assert two.asked == []


async def test_after_its_patience_a_reader_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has heard something, and then of nobody for so long."""
    monkeypatch.setattr(watching, "PATIENCE", 0.0)
    with pytest.raises(Unanswered):
        await heard([Node((1, LOST)), Node()])


async def test_a_node_that_continues_may_begin_with_something_else() -> None:
    """Only its first word is replaced, and not that of the first node."""
    watch = Watch(RPC, moved, lambda request, told: (told,) * (1 + (request.after_id > 0)))
    assert await heard([Node((2, LOST)), Node((2, None))], watch) == [1, 2, 3, 3, 4]

"""A stream that outlives its connections: when it is read on, where, and when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import cast

import pytest

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Connection, Unanswered
from a2a_node.client.rpcs import CANCEL
from a2a_node.client.streaming import GET, Streaming
from a2a_node.model.call import Terms
from a2a_node.model.errors import (
    AgentRefused,
    MeshError,
    NodeLost,
    NodeUnreachable,
    StoreUnavailable,
    StreamNotFound,
)
from a2amesh.v1 import agent_service_pb2 as pb

ID = "6f1c3d52-8f4e-4a0b-9c1e-2b7d5a9e0c11"
OTHER = "0b1e4f6a-3d2c-4b5a-8f7e-6a5b4c3d2e1f"
Answer = Sequence[int | MeshError | None]  # sequences of events, what the stream fails with, or silence for ever


class Node:
    """A node with one answer for each RPC that it will be asked."""

    def __init__(self, *answers: Answer, finished: bool = False) -> None:
        self._answers = list(answers)
        self._finished = finished
        self.asked: list[int] = []  # after which sequence; -1 for a beginning
        self.cancelled: list[str] = []
        self.resumable = True

    async def listen(self, _: object, request: pb.InvokeStreamRequest, __: Terms) -> AsyncIterator[object]:
        """The next answer."""
        self.asked.append(request.resume.after_sequence if request.HasField("resume") else -1)
        for one in self._answers.pop(0):
            if isinstance(one, MeshError):
                raise one
            if one is None:
                await asyncio.Event().wait()
                continue
            yield pb.InvokeStreamResponse(call_id=ID, sequence=one, resumable=self.resumable)

    async def ask(self, rpc: object, request: pb.CancelCallRequest | pb.GetCallRequest, _: Terms) -> object:
        """The end of a call, or how it stands."""
        if rpc is CANCEL:
            self.cancelled.append(request.call_id)
            return pb.CancelCallResponse()
        assert rpc is GET
        answer = pb.GetCallResponse()
        if self._finished:
            answer.call.finish_time.GetCurrentTime()
        return answer


def lost() -> MeshError:
    """What a connection that was lost is told as."""
    return Unanswered("127.0.0.1:1")


async def heard(*nodes: Node) -> list[int]:
    """All events of a stream through these nodes."""
    events = streaming(*nodes).events(pb.InvokeStreamRequest(agent="a", call_id=ID), Terms())
    async with asyncio.timeout(10):
        return [event.sequence async for event in events]


def streaming(*nodes: Node) -> Streaming:
    """Streams through these nodes."""
    return Streaming(Anywhere(cast("Sequence[Connection]", nodes)))


async def test_a_whole_stream_is_asked_for_once() -> None:
    """Nothing more is needed, and nothing is cancelled."""
    node = Node((1, 2, 3))
    assert await heard(node) == [1, 2, 3]
    assert (node.asked, node.cancelled) == ([-1], [])


async def test_a_lost_connection_is_read_on_at_the_next_node_and_the_one_after() -> None:
    """From where it was lost each time; the node that was lost comes last."""
    first, second, third = Node((1, 2, lost()), (7,)), Node((3, 4, lost())), Node((5, 6, lost()))
    assert await heard(first, second, third) == [1, 2, 3, 4, 5, 6, 7]
    assert (first.asked, second.asked, third.asked) == ([-1, 6], [2], [4])


async def test_with_one_node_it_is_read_on_there() -> None:
    """As often as it takes."""
    node = Node((1, lost()), (lost(),), (2, 3))
    assert await heard(node) == [1, 2, 3]
    assert node.asked == [-1, 1, 1]


@pytest.mark.parametrize("outcome", [AgentRefused("no"), NodeUnreachable("peer:1"), NodeLost(ID)])
async def test_what_a_node_says_of_the_call_is_its_end(outcome: MeshError) -> None:
    """Also when it sounds like a lost connection: another node was out of reach of the one that was asked."""
    first, second = Node((1, lost())), Node((2, outcome))
    with pytest.raises(type(outcome)):
        await heard(first, second)
    assert second.asked == [1]
    with pytest.raises(type(outcome)):
        await heard(Node((1, outcome)))


async def test_a_node_that_cannot_tell_for_now_is_asked_again_unless_the_call_has_ended_so() -> None:
    """Its store is away, or the call failed because one was."""
    node = Node((1, lost()), (StoreUnavailable("redis"),), (2,))
    assert await heard(node) == [1, 2]
    with pytest.raises(StoreUnavailable):
        await heard(Node((1, lost()), (StoreUnavailable("redis"),), finished=True))


async def test_a_stream_that_is_not_kept_cannot_be_read_on() -> None:
    """The loss is what it ends with."""
    node = Node((1, lost()))
    node.resumable = False
    with pytest.raises(Unanswered):
        await heard(node)
    assert node.asked == [-1]


async def test_a_call_that_never_began_ends_with_what_was_lost() -> None:
    """Nobody keeps anything of it; whoever asked may begin it again."""
    with pytest.raises(Unanswered):
        await heard(Node((lost(),)), Node((StreamNotFound(ID),)))


async def test_whoever_closes_the_stream_ends_the_call() -> None:
    """One that is not kept ends with its RPC."""
    for kept in (True, False):
        node = Node((1, None))
        node.resumable = kept
        events = streaming(node).events(pb.InvokeStreamRequest(agent="a", call_id=ID), Terms())
        async with aclosing(events):
            assert (await anext(events)).sequence == 1
        assert node.cancelled == ([ID] if kept else [])


@pytest.mark.parametrize("resumable", [True, False])
async def test_what_is_still_read_is_cancelled_once_when_its_client_closes(resumable: bool) -> None:  # noqa: FBT001
    """Unless it ends with its connection anyway; later nobody is asked for anything."""
    node = Node((1, None), (1,))
    node.resumable = resumable
    streams = streaming(node)
    events = streams.events(pb.InvokeStreamRequest(agent="a", call_id=ID), Terms())
    ended = streams.events(pb.InvokeStreamRequest(agent="b", call_id=OTHER), Terms())
    async with aclosing(events):
        assert (await anext(events)).sequence == 1
        assert [event.sequence async for event in ended] == [1]
        await streams.close()
        assert node.cancelled == [ID] * resumable
    assert node.cancelled == [ID] * resumable

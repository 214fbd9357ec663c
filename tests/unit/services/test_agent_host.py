"""AgentHostService: how an agent introduces itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from a2a_node.model.errors import InvalidInput
from a2a_node.services import agent_host
from a2a_node.services.agent_host import said_hello
from a2amesh.v1 import agent_host_service_pb2 as pb


async def frames(*said: pb.AttachRequest) -> AsyncIterator[pb.AttachRequest]:
    """What an agent says."""
    for frame in said:
        yield frame


async def silence() -> AsyncIterator[pb.AttachRequest]:
    """What an agent says that has hung."""
    await asyncio.Event().wait()
    yield pb.AttachRequest()


async def test_the_first_frame_is_the_hello() -> None:
    """Whatever follows is left to be read."""
    said = frames(pb.AttachRequest(hello=pb.AttachHello(max_calls=3)), pb.AttachRequest(pong=1))
    assert (await said_hello(said)).max_calls == 3
    assert (await anext(said)).pong == 1


@pytest.mark.parametrize(
    "said", [[], [pb.AttachRequest(pong=1)], [pb.AttachRequest()]], ids=["nothing", "a pong", "an empty frame"]
)
async def test_anything_else_is_refused(said: list[pb.AttachRequest]) -> None:
    """By the field that is missing."""
    with pytest.raises(InvalidInput) as refused:
        await said_hello(frames(*said))
    assert refused.value.violations[0][0] == "hello"


async def test_an_agent_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that nobody uses costs nothing for long."""
    monkeypatch.setattr(agent_host, "HELLO_SECONDS", 0.01)
    with pytest.raises(InvalidInput, match="within"):
        await said_hello(silence())

"""Calls to endpoints over real gRPC: all shapes, cancellation and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a2a_node.model.agents import AgentCapability
from a2a_node.model.errors import DeadlineExceeded, InvalidInput
from a2a_node.model.payload import TEXT, Payload
from tests.integration.endpoint_agent import serving
from tests.integration.endpoint_calls import (
    NO_NETWORK,
    PATIENCE,
    Asked,
    call,
    conversing,
    failed,
    instance,
    reaching,
    streaming,
    unary,
)


async def test_one_input_is_answered_by_one_output() -> None:
    """The agent hears who asks what, in which tree, and how long it may take."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        asking = call(unary("say"), asked, "hello")
        asking.idempotency_key = "key"
        await endpoints.carry(asking, instance(agent))
        (answer,) = asked.texts
    assert isinstance(answer, dict)
    assert answer["request"] == {
        "agent": "a",
        "capability": "say",
        "callId": "the-call",
        "idempotencyKey": "key",
        "input": {"text": "hello"},
    }
    heard = {name: value for name, value in answer["metadata"].items() if name.startswith("a2a-")}
    assert heard == {"a2a-call-token": "the-token", "a2a-call-id": "the-call", "a2a-path": "root,a"}
    assert 0 < answer["time_left"] <= PATIENCE


async def test_outputs_are_streamed_in_order() -> None:
    """Each as soon as it is there."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(streaming("count"), asked, "100"), instance(agent))
    assert asked.texts == [str(number) for number in range(100)]


async def test_a_slow_reader_slows_the_agent() -> None:
    """Who writes without end is held up, so that memory stays bounded."""
    async with serving() as agent, reaching() as (endpoints, _):
        held, asked = asyncio.Event(), Asked()
        asking = call(streaming("flood"), asked)

        async def hold(payload: Payload) -> None:
            await asked.take(payload)
            await held.wait()

        asking.reply = hold
        task = asyncio.create_task(endpoints.carry(asking, instance(agent)))
        async with asyncio.timeout(PATIENCE):
            await agent.held_up.wait()
        assert len(asked.replies) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_conversation_goes_both_ways() -> None:
    """Each input is answered before the next one is said."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()

        async def inputs() -> AsyncIterator[Payload]:
            for number in range(3):
                asked.replied.clear()
                yield Payload(str(number), TEXT)
                await asked.replied.wait()

        asking = call(conversing("echo"), asked)
        asking.requests = inputs()
        async with asyncio.timeout(PATIENCE):
            await endpoints.carry(asking, instance(agent))
    assert asked.texts == ["echo 0", "echo 1", "echo 2"]


async def test_an_agent_may_end_a_conversation_first() -> None:
    """Though its caller still has something to say."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await asyncio.Event().wait()

    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        asking = call(conversing("hang_up"), asked)
        asking.requests = inputs()
        async with asyncio.timeout(PATIENCE):
            await endpoints.carry(asking, instance(agent))
    assert asked.texts == ["hang_up first"]


async def test_an_input_that_is_refused_ends_the_conversation() -> None:
    """With its own error; the agent is cancelled."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await agent.begun.wait()  # one that has not begun hears nothing of it
        raise InvalidInput("input", "is too much")

    async with serving() as agent, reaching() as (endpoints, _):
        asking = call(conversing("echo"), Asked())
        asking.requests = inputs()
        assert isinstance(await failed(endpoints, asking, instance(agent)), InvalidInput)
        async with asyncio.timeout(PATIENCE):
            await agent.cancelled.wait()


@pytest.mark.parametrize("offered", [unary("wait"), streaming("wait"), conversing("wait")], ids=["one", "many", "both"])
async def test_a_cancelled_call_cancels_the_agent(offered: AgentCapability) -> None:
    """At once, and the call counts no longer."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await asyncio.Event().wait()

    async with serving() as agent, reaching() as (endpoints, _):
        asked, at = Asked(), instance(agent)
        asking = call(offered, asked)
        asking.requests = inputs()
        task = asyncio.create_task(endpoints.carry(asking, at))
        async with asyncio.timeout(PATIENCE):
            await (asked.replied.wait() if offered.streams_output else agent.begun.wait())
            assert endpoints.load() == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await agent.cancelled.wait()
        assert endpoints.load() == 0
        assert endpoints.reaches(at)


@pytest.mark.parametrize("offered", [unary("wait"), streaming("wait")], ids=["one", "many"])
async def test_a_deadline_reaches_the_agent(offered: AgentCapability) -> None:
    """The call fails with its own deadline, and the agent is cancelled."""
    async with serving() as agent, reaching() as (endpoints, _):
        error = await failed(endpoints, call(offered, Asked(), seconds=0.3), instance(agent))
        assert isinstance(error, DeadlineExceeded)
        async with asyncio.timeout(PATIENCE):
            await agent.cancelled.wait()


async def test_an_endpoint_on_a_socket_of_the_machine_is_reached(tmp_path: Path) -> None:
    """Its address is a path."""
    address = f"unix:{tmp_path / 'agent.sock'}"
    async with serving(address), reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(unary("say"), asked, "hello"), instance(address))
        assert len(asked.replies) == 1


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint is reached where it says that it is."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://{NO_NETWORK}")
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(unary("say"), asked, "hello"), instance(agent))
        assert len(asked.replies) == 1

"""How deep calls go, how often they come back, and who may begin them: seen from outside of a whole node."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import CallLoop, PermissionDenied, TooManyHops
from tests.integration.peer_agents import known
from tests.integration.people import Meet, meet
from tests.integration.test_budgets import spender
from tests.integration.test_node import relay

__all__ = ["meet"]


async def test_a_circle_is_refused_before_any_work_unless_an_agent_allows_it(meet: Meet) -> None:
    """A > B > C > A, on one node and over two; how often an agent may come back is its own setting."""
    async with meet("one", max_hops=6) as one, meet("two", max_hops=6) as two, AsyncExitStack() as stack:
        for name, node in (("a", one), ("b", two), ("c", one)):
            await stack.enter_async_context(attached(relay(name), node.node.grpc_address, key=node.dev_key))
        await stack.enter_async_context(attached(relay("d"), two.node.grpc_address, key=two.dev_key))
        circle = {"route": ["b", "c", "a"]}
        with pytest.raises(CallLoop) as refused:
            await one.dev.call("a", "hand_on", circle)
        assert refused.value.variables == {"agent": "a", "path": "a > b > c > a"}
        await one.dev.agents.update("a", max_revisits=1)
        answer = await one.dev.call("a", "hand_on", circle)
        assert isinstance(answer, dict)
        assert answer["path"] == ["a", "b", "c", "a"]
        with pytest.raises(CallLoop):
            await one.dev.call("a", "hand_on", {"route": ["a", "a"]})
        for name in "bcd":
            await one.dev.agents.update(name, max_revisits=9)
        await two.dev.agents.update("d", max_revisits=9)  # it answers once it knows of this and all before
        with pytest.raises(TooManyHops) as deep:
            await one.dev.call("d", "hand_on", {"route": ["b", "c", "d", "b", "c", "d"]})
        assert deep.value.variables == {"path": "d > b > c > d > b > c > d", "limit": "6"}


async def test_an_agent_may_be_bound_to_call_others_only_at_work(meet: Meet) -> None:
    """Its own key alone begins no call then; while it works for somebody it calls as before."""
    crowd = Agent("crowd", needs_call_token=True)

    @crowd.capability
    async def ask(context: Context) -> object:
        return await context.call("echo", "say", {"text": "hello"})

    async with meet() as one, MeshClient(one.node.grpc_address, "key-of-crowd") as own:
        await one.dev.grants.give("agent:crowd", "registry:write")
        await one.dev.grants.give("agent:crowd", "agent:*:invoke")
        assert await own.call("echo", "say", {"text": "x"}) == {"text": "x"}
        async with attached(crowd, one.node.grpc_address, key="key-of-crowd"):
            with pytest.raises(PermissionDenied, match="send the call token"):
                await own.call("echo", "say", {"text": "x"})
            assert await one.dev.call("crowd", "ask") == {"text": "hello"}
            await one.dev.agents.update("crowd", needs_call_token=False)
            assert await own.call("echo", "say", {"text": "x"}) == {"text": "x"}


async def test_a_budget_holds_over_two_nodes(meet: Meet) -> None:
    """Of three parallel children on another node exactly two start, and what they use there adds up here."""
    async with (
        meet("one") as one,
        meet("two") as two,
        attached(spender("near"), one.node.grpc_address, key=one.dev_key),
        attached(spender("far"), two.node.grpc_address, key=two.dev_key),
    ):
        for asked in (one, two):
            await known(asked, "near", "far")
            call_id, said = str(uuid4()), {"agent": "far", "times": 3, "tokens": 7, "reserve": 10}
            budget = {"calls": 2, "tokens": 500}
            answer = await asked.dev.call("near", "ask", said, budget=budget, call_id=call_id)
            assert answer == {"worked": 2, "refused": 1}
            assert (await asked.dev.get_call(call_id)).used == {"calls": 2, "tokens": 14}

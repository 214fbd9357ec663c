"""The mesh's agents as MCP tools, by the official client: what is listed, what a call comes to, and by whose rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from a2a_node.attach import attached
from a2a_node.model.audit import AuditOutcome
from a2a_node.model.errors import PermissionDenied
from a2a_node.model.limits import LimitKey
from tests.integration.mcp_clients import BOTH, Assistant, handshaken, reason
from tests.integration.peer_agents import PATIENCE, Work, by_stream, known, worker
from tests.integration.people import Meet, Meeting, meet
from tests.integration.test_audit import events

__all__ = ["meet"]
Opens = Callable[..., AbstractAsyncContextManager[Assistant]]
both = pytest.mark.parametrize("opens", BOTH, ids=lambda opens: opens.__name__)


async def names(assistant: Assistant) -> list[str]:
    """The tools that somebody sees."""
    return [tool.name for tool in (await assistant.list_tools()).tools]


@both
async def test_an_assistant_lists_and_calls_the_agents_of_the_mesh(opens: Opens, meet: Meet) -> None:
    """By their own schemas; the answer comes as an object and as text."""
    async with meet() as one, opens(one.node, one.dev_key) as assistant:
        tools = {tool.name: tool for tool in (await assistant.list_tools()).tools}
        assert {"echo__say", "echo__count", "echo__fail", "mesh_list_agents"} <= tools.keys()
        assert "n" in tools["echo__count"].input_schema["properties"]
        answer = await assistant.call_tool("echo__say", {"text": "hello"})
        assert answer.structured_content == {"text": "hello"}
        assert isinstance(answer.content[0], TextContent)
        assert answer.content[0].text == '{"text":"hello"}'


@both
async def test_a_stream_is_told_as_progress_and_given_whole_in_the_end(opens: Opens, meet: Meet) -> None:
    """Each reply is a notification with its number."""
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        heard.append((progress, message))

    async with meet() as one, opens(one.node, one.dev_key) as assistant:
        answer = await assistant.call_tool("echo__count", {"n": 3}, progress_callback=hear)
        assert answer.structured_content == {"outputs": [{"number": 1}, {"number": 2}, {"number": 3}]}
        assert heard == [(number, f'{{"number":{number}}}') for number in (1, 2, 3)]


@both
async def test_failures_say_why_and_what_to_do(opens: Opens, meet: Meet) -> None:
    """As tool errors that a model can read; a name that no tool has is an error of the protocol."""
    async with meet() as one, opens(one.node, one.dev_key) as assistant:
        assert reason(await assistant.call_tool("echo__count", {"n": "many"})) == "INVALID_INPUT"
        assert reason(await assistant.call_tool("echo__fail", {})) == "AGENT_REFUSED"
        for unknown in ("nobody__say", "echo__sing", "no-tool", "mesh_rule"):
            with pytest.raises(MCPError) as refused:
                await assistant.call_tool(unknown, {})
            assert refused.value.code == -32602


async def granted(place: Meeting) -> None:
    """Wait until a node knows that ann may call the helper."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await place.ann.call("helper", "say", {"text": "x"})
            except PermissionDenied:
                continue
            return


async def test_somebody_sees_what_it_may_invoke_and_nothing_else(meet: Meet) -> None:
    """From the moment that a grant is given until it is revoked; whatever is called beside that is refused, audited."""
    async with (
        meet() as one,
        attached(worker("helper", Work()), one.node.grpc_address, key=one.dev_key),
        handshaken(one.node, "key-of-ann") as ann,
    ):
        assert await names(ann) == []
        grant = await one.dev.grants.give("person:ann", "agent:helper:invoke")
        await one.dev.grants.give("person:ann", "workflow:read")
        seen = await names(ann)
        assert {name for name in seen if name.startswith("helper__")}
        own = ["mesh_get_run", "mesh_get_template", "mesh_list_templates"]
        assert [name for name in seen if not name.startswith("helper__")] == own
        assert (await ann.call_tool("helper__say", {"text": "x"})).structured_content == {"text": "x"}
        assert reason(await ann.call_tool("echo__say", {"text": "x"})) == "PERMISSION_DENIED"
        assert reason(await ann.call_tool("mesh_list_agents", {})) == "PERMISSION_DENIED"
        await one.dev.grants.revoke(grant.id)
        assert await names(ann) == own
        refused = await events(one.dev, 2, outcome=AuditOutcome.REFUSED)
        assert {(event.fact.user_id, event.fact.action) for event in refused} == {
            ("person:ann", "agent:invoke"),
            ("person:ann", "registry:list-agents"),
        }


async def test_limits_hold_for_tools(meet: Meet) -> None:
    """The caller's own bucket; whoever is too fast hears when to come back."""
    async with meet() as one, handshaken(one.node, one.dev_key) as dev:
        await one.dev.limits.set(0.001, 2, LimitKey(agent="echo", capability="say"))
        for _ in range(2):
            assert not (await dev.call_tool("echo__say", {"text": "x"})).is_error
        refused = await dev.call_tool("echo__say", {"text": "x"})
        assert reason(refused) == "RATE_LIMITED"
        assert isinstance(refused.content[0], TextContent)
        assert "Try again in" in refused.content[0].text


@both
async def test_a_call_that_is_given_up_ends_at_its_agent(opens: Opens, meet: Meet) -> None:
    """Whether the client says so, or just goes."""
    work = Work()
    async with (
        meet() as one,
        attached(worker("helper", work), one.node.grpc_address, key=one.dev_key),
        opens(one.node, one.dev_key) as assistant,
    ):
        waiting = asyncio.create_task(assistant.call_tool("helper__wait", {}))
        async with asyncio.timeout(20):
            await work.started.wait()
            waiting.cancel()
            await work.stopped.wait()


@both
async def test_any_node_serves_any_request(opens: Opens, meet: Meet) -> None:
    """Two nodes in turns, also to cancel on the one what runs on the other."""
    work = Work()
    async with meet("one") as one, meet("two") as two, by_stream(worker("helper", work), two):
        await one.dev.grants.give("person:ann", "agent:helper:invoke")
        for place in (one, two):
            await known(place, "helper")
            await granted(place)
        async with opens(one.node, "key-of-ann", two.node) as assistant:
            for number in range(4):
                assert "helper__say" in await names(assistant)
                said = await assistant.call_tool("helper__say", {"text": str(number)})
                assert said.structured_content == {"text": str(number)}
            waiting = asyncio.create_task(assistant.call_tool("helper__wait", {}))
            async with asyncio.timeout(20):
                await work.started.wait()
                waiting.cancel()
                await work.stopped.wait()

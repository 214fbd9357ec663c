"""Agents that attach by a WebSocket: by a client that others wrote, on real nodes and stores."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from a2a_node.model.errors import MeshError
from tests.integration.peer_agents import known
from tests.integration.people import Meet, meet
from tests.integration.socket_clients import Said, ended, error_of, fault, heard, opened, say

__all__ = ["meet"]
HELLO = {"agent": {"capabilities": [{"name": "say", "input_schema": {}}], "version": "1.2.3"}}


async def test_an_agent_attaches_by_a_socket_and_is_drained(meet: Meet) -> None:
    """It is called by gRPC, from another node, too; a node that drains says so, and ends it in the end."""
    async with meet("one", drain=2.0) as one, meet("two") as two, opened(one, "paper:attach") as socket:
        await say(socket, hello=HELLO)
        welcome = cast("Said", (await heard(socket))["welcome"])
        assert welcome["node_id"] == "one"
        for place in (one, two):
            await known(place, "paper")
            calling = asyncio.create_task(place.dev.call("paper", "say", {"text": "hello"}))
            start = await heard(socket)
            assert cast("Said", start["start"])["capability"] == "say"
            await say(socket, call_id=start["call_id"], end={"output": {"struct": {"said": "hello"}}})
            assert await calling == {"said": "hello"}
        failing = asyncio.create_task(one.dev.call("paper", "say", {}))
        start = await heard(socket)
        await say(socket, call_id=start["call_id"], fail={"code": "ABORTED", "reason": "BUSY", "message": "later"})
        with pytest.raises(MeshError, match="later") as failed:
            await failing
        assert (failed.value.code, failed.value.reason) == ("ABORTED", "BUSY")

        under_way = asyncio.create_task(one.dev.call("paper", "say", {}))
        start = await heard(socket)
        draining = asyncio.create_task(one.node.drained())
        assert "draining" in await heard(socket)
        await say(socket, call_id=start["call_id"], end={"output": {"text": "done"}})
        await under_way
        said, code, reason = await ended(socket)
        assert (code, reason) == (1012, "NODE_DRAINING")
        assert error_of(said)["reason"] == "NODE_DRAINING"
        await draining


async def test_an_agent_on_a_socket_leaves_and_is_refused_like_any(meet: Meet) -> None:
    """By `leave`, or by its going; what it says wrong ends it by name."""
    async with meet() as one:
        async with opened(one, "paper:attach") as socket:
            await say(socket, hello=HELLO)
            await heard(socket)
            await say(socket, leave={})
            assert (await ended(socket))[1] == 1000
        for text, field in (
            ("{}", "agent.capabilities"),
            ('{"pong": "1"}', "hello"),
            ('{"hello": {"x": 1}}', "hello.x"),
        ):
            async with opened(one, "paper:attach") as socket:
                await socket.send(text)
                said, code, _ = await ended(socket)
                assert (fault(said).startswith(field.partition(".")[0]), code) == (True, 4400), said
        async with opened(one, "paper:attach") as socket:
            await say(socket, hello=HELLO)
            await heard(socket)
            await say(socket, pong="-1")
            said, code, _ = await ended(socket)
            assert code == 4400, said
        async with opened(one, "paper:attach", "key-of-ann") as socket:
            await say(socket, hello=HELLO)
            said, code, _ = await ended(socket)
            assert (error_of(said)["reason"], code) == ("PERMISSION_DENIED", 4403)


async def test_an_agent_that_is_lost_with_its_socket_loses_its_calls_at_once(meet: Meet) -> None:
    """And nobody else's."""
    async with meet() as one:
        async with opened(one, "paper:attach") as socket:
            await say(socket, hello=HELLO)
            await heard(socket)
            await known(one, "paper")
            calling = asyncio.create_task(one.dev.call("paper", "say", {}))
            await heard(socket)
            socket.transport.abort()
        with pytest.raises(MeshError) as lost:
            await calling
        assert lost.value.reason == "AGENT_LOST"

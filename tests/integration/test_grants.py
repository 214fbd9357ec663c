"""Grants through whole nodes: what is not granted is refused, on every node, from memory."""

from __future__ import annotations

import asyncio
from time import monotonic

import grpc
import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.call import CallStatus
from a2a_node.model.errors import (
    CallCancelled,
    GrantNotFound,
    InvalidInput,
    PermissionDenied,
    RequestDecided,
)
from a2a_node.model.grants import RequestStatus
from a2a_node.model.names import fresh_uuid
from tests.integration.people import Meet, meet

__all__ = ["meet"]

INVOKE = "agent:echo:invoke"
PATIENCE = 20.0


async def said(mesh: MeshClient) -> bool:
    """Whether echo may be called."""
    try:
        await mesh.call("echo", "say", {"text": "x"})
    except PermissionDenied:
        return False
    return True


async def until(mesh: MeshClient, *, allowed: bool) -> None:
    """Ask until echo may be called, or no longer."""
    async with asyncio.timeout(PATIENCE):
        while await said(mesh) != allowed:
            continue


async def test_nothing_is_allowed_that_nobody_granted(meet: Meet) -> None:
    """And what is granted, is allowed at once on the node that was asked; the developer needs no grant."""
    async with meet() as one:
        for refused in (
            one.ann.call("echo", "say", {"text": "x"}),
            one.ann.agents.get("echo"),
            one.ann.cache.set("k", 1),
            one.ann.sessions.create({}),
            one.ann.nodes.drain(),
            one.ann.grants.give("person:ann", INVOKE),
        ):
            with pytest.raises(PermissionDenied, match="person:ann"):
                await refused
        assert await said(one.dev)
        await one.dev.grants.give("person:ann", INVOKE)
        assert await said(one.ann)
        assert not await said(one.bob)
        with pytest.raises(PermissionDenied, match="agent:other:invoke"):
            await one.ann.call("other", "say", {})


async def test_a_revoke_is_known_on_every_node_within_a_second(meet: Meet) -> None:
    """With all that hangs from it, and the streams that ran on it end."""
    async with meet("one") as one, meet("two") as two:
        held = await one.dev.grants.give("person:ann", INVOKE, depth=1)
        await one.dev.grants.give("person:ann", "access:grant")
        await one.ann.grants.give("person:bob", INVOKE)
        await until(two.ann, allowed=True)
        await until(two.bob, allowed=True)
        call_id = fresh_uuid()
        stream = two.bob.stream("echo", "count", {"n": 10_000, "delay_ms": 20}, call_id=call_id)
        assert await anext(stream) == {"number": 1}
        assert await one.dev.grants.revoke(held.id) == 2
        begun = monotonic()
        with pytest.raises(PermissionDenied):
            async for _ in stream:
                pass
        assert not await said(one.ann)
        assert not await said(one.bob)
        await until(two.ann, allowed=False)
        await until(two.bob, allowed=False)
        assert monotonic() - begun < 1
        record = await one.dev.get_call(call_id)
        assert record.status is CallStatus.FAILED
        assert isinstance(record.error, PermissionDenied)


async def test_whoever_began_a_call_may_cancel_it(meet: Meet) -> None:
    """Without a grant for that; others may not."""
    async with meet() as one:
        for person in ("person:ann", "person:bob"):
            await one.dev.grants.give(person, INVOKE)
        call_id = fresh_uuid()
        stream = one.ann.stream("echo", "count", {"n": 10_000, "delay_ms": 20}, call_id=call_id)
        assert await anext(stream) == {"number": 1}
        with pytest.raises(PermissionDenied, match="call:cancel"):
            await one.bob.cancel(call_id)
        await one.ann.cancel(call_id)
        with pytest.raises(CallCancelled):
            async for _ in stream:
                pass
        record = await one.dev.get_call(call_id)
        assert record.status is CallStatus.CANCELLED


async def test_agents_at_work_do_what_their_caller_may(meet: Meet) -> None:
    """An agent to whom nothing was granted does what its callers may; one with grants of its own does no more."""
    crowd = Agent("crowd")

    @crowd.capability
    async def ask(agent: str, context: Context) -> object:
        return await context.call(agent, "say", {"text": "hello"})

    async with meet() as one:
        await one.dev.grants.give("agent:crowd", "registry:write")
        async with attached(crowd, one.node.grpc_address, key="key-of-crowd"):
            await one.dev.grants.give("person:ann", "agent:crowd:invoke")
            with pytest.raises(PermissionDenied, match="person:ann"):
                await one.ann.call("crowd", "ask", {"agent": "echo"})
            await one.dev.grants.give("person:ann", "agent:*:invoke")
            assert await one.ann.call("crowd", "ask", {"agent": "echo"}) == {"text": "hello"}
            bound = await one.dev.grants.give("agent:crowd", "agent:greeter:invoke")
            with pytest.raises(PermissionDenied, match="agent:crowd"):
                await one.ann.call("crowd", "ask", {"agent": "echo"})
            await one.dev.grants.revoke(bound.id)
            with pytest.raises(PermissionDenied, match="agent:crowd"):
                await one.ann.call("crowd", "ask", {"agent": "echo"})
            await one.dev.grants.give("agent:crowd", INVOKE)
            assert await one.ann.call("crowd", "ask", {"agent": "echo"}) == {"text": "hello"}


async def test_what_is_handed_on_is_never_more(meet: Meet) -> None:
    """Another agent, another depth, more time: each is refused with the reason."""
    async with meet() as one:
        await one.dev.grants.give("person:ann", "access:grant")
        await one.dev.grants.give("person:ann", INVOKE)
        with pytest.raises(PermissionDenied, match="may not be handed on"):
            await one.ann.grants.give("person:bob", INVOKE)
        held = await one.dev.grants.give("person:ann", INVOKE, depth=1, ttl=60)
        for permission, terms, why in (
            ("agent:other:invoke", {}, "no grant that covers"),
            ("agent:*:invoke", {}, "no grant that covers"),
            (INVOKE, {"depth": 1}, "handed on 1 times more"),
            (INVOKE, {"ttl": 3600}, "ends before that"),
            (INVOKE, {"parent": held.id, "depth": 2}, "handed on 1 times more"),
        ):
            with pytest.raises(PermissionDenied, match=why):
                await one.ann.grants.give("person:bob", permission, **terms)
        given = await one.ann.grants.give("person:bob", INVOKE)
        assert (given.parent, given.expires_at, given.depth) == (held.id, held.expires_at, 0)


async def test_uses_are_counted_across_nodes_and_never_one_too_many(meet: Meet) -> None:
    """Ten uses on two nodes at once are ten, a question counts none."""
    async with meet("one") as one, meet("two") as two:
        await one.dev.grants.give("person:ann", INVOKE, conditions=["uses < 10"])
        await until(two.ann, allowed=True)
        assert (await one.ann.grants.check(INVOKE)).allowed
        answers = await asyncio.gather(*(said(mesh) for mesh in (one.ann, two.ann) for _ in range(20)))
        admitted = sum(answers) + 1
        while await said(one.ann) or await said(two.ann):
            admitted += 1
        assert admitted <= 10
        assert admitted >= 9
        assert not (await one.ann.grants.check(INVOKE)).allowed


async def test_an_expression_that_never_ends_is_refused(meet: Meet) -> None:
    """So is one that is no condition; the field is named."""
    async with meet() as one:
        for condition in (
            "context.l.map(x, context.l.map(y, context.l.map(z, x))) != []",
            "context.l.all(x, context.l.all(y, x == y))",
            "uses < 'ten'",
            "uses",
            "1 +",
            "true " * 300,
        ):
            with pytest.raises(InvalidInput) as refused:
                await one.dev.grants.give("person:ann", INVOKE, conditions=["true", condition])
            assert refused.value.violations[0][0] == "conditions[1]"


async def test_bad_grants_are_refused_by_field(meet: Meet) -> None:
    """Two wildcards, an unknown kind of principal, a depth that cannot be, a grant that is none."""
    async with meet() as one:
        for field, granted_to, permission, terms in (
            ("permission", "person:ann", "agent:*:*", {}),
            ("permission", "person:ann", "*:*", {}),
            ("permission", "person:ann", "agent", {}),
            ("granted_to", "robot:ann", INVOKE, {}),
            ("depth", "person:ann", INVOKE, {"depth": 9}),
            ("ttl", "person:ann", INVOKE, {"ttl": -1.0}),
            ("parent_grant_id", "person:ann", INVOKE, {"parent": "x"}),
        ):
            with pytest.raises(InvalidInput) as refused:
                await one.dev.grants.give(granted_to, permission, **terms)
            assert refused.value.violations[0][0] == field
        with pytest.raises(GrantNotFound):
            await one.dev.grants.revoke("00000000-0000-4000-8000-000000000000")


async def test_a_permission_is_asked_for_and_given(meet: Meet) -> None:
    """By somebody who could give it; a request is decided once."""
    async with meet() as one:
        asked = await one.ann.grants.ask(INVOKE, "to say hello", ttl=60)
        assert (await one.ann.grants.ask(INVOKE, "again")).id == asked.id
        with pytest.raises(PermissionDenied):
            await one.bob.grants.decide(asked.id, approve=True)
        decided = await one.dev.grants.decide(asked.id, approve=True, comment="welcome")
        assert (decided.status, decided.decided_by) == (RequestStatus.APPROVED, "person:dev")
        assert await said(one.ann)
        with pytest.raises(RequestDecided):
            await one.dev.grants.decide(asked.id, approve=False)
        refused = await one.bob.grants.ask(INVOKE, "me too")
        assert (await one.dev.grants.decide(refused.id, approve=False)).status is RequestStatus.DENIED
        assert [request.id async for request in one.dev.grants.requests()] == [refused.id, asked.id]


async def test_what_nobody_serves_is_refused_as_such(meet: Meet) -> None:
    """An RPC that stands in no table is nobody's to call; the developer is no exception."""
    async with meet() as one, grpc.aio.insecure_channel(one.node.grpc_address) as channel:
        nothing: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a2amesh.v1.Nothing/Do")
        for sent, code in ((f"Bearer {one.dev_key}", "UNIMPLEMENTED"), ("Bearer nobody", "UNAUTHENTICATED")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await nothing(b"", metadata=(("authorization", sent),))
            assert refused.value.code().name == code

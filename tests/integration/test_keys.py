"""Keys and tokens through whole nodes: made once, good everywhere, ended everywhere within a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import grpc
import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attach, attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import InvalidInput, KeyNotFound, MeshError, PermissionDenied, Unauthenticated
from a2a_node.node import Node
from tests.integration.people import Meet, meet

__all__ = ["meet"]

INVOKE = "agent:echo:invoke"
PATIENCE = 20.0


@asynccontextmanager
async def client(node: Node, key: str) -> AsyncIterator[MeshClient]:
    """Somebody with that key."""
    async with MeshClient(node.grpc_address, key) as mesh:
        yield mesh


async def said(mesh: MeshClient) -> bool:
    """Whether echo may be called with that key."""
    try:
        await mesh.call("echo", "say", {"text": "x"})
    except Unauthenticated:
        return False
    return True


async def until_refused(mesh: MeshClient) -> None:
    """Ask until the key is good no longer."""
    async with asyncio.timeout(PATIENCE):
        while await said(mesh):
            continue


async def test_a_key_calls_as_its_principal_within_its_bounds(meet: Meet) -> None:
    """On the node that made it at once; what its principal may not do, it may not do either."""
    async with meet() as one:
        made = await one.dev.keys.create("laptop", principal="person:dan", permissions=["agent:*:invoke"])
        assert (made.key.principal, made.key.created_by, made.key.name) == ("person:dan", "person:dev", "laptop")
        assert made.secret.startswith(f"a2a_{made.key.id}_")
        async with client(one.node, made.secret) as dan:
            with pytest.raises(PermissionDenied, match="person:dan"):
                await dan.call("echo", "say", {"text": "x"})
            await one.dev.grants.give("person:dan", INVOKE)
            await one.dev.grants.give("person:dan", "registry:read")
            assert await dan.call("echo", "say", {"text": "x"}) == {"text": "x"}
            with pytest.raises(PermissionDenied, match="the key"):
                await dan.agents.get("echo")
        listed = [key async for key in one.dev.keys.list(principal="person:dan")]
        assert [(key.id, key.digest) for key in listed] == [(made.key.id, b"")]


async def test_a_wrong_key_is_refused_and_never_repeated(meet: Meet) -> None:
    """One character changed, cut off, another's id, or none of ours."""
    async with meet() as one:
        made = await one.dev.keys.create(permissions=[INVOKE])
        last = "A" if made.secret[-1] != "A" else "B"
        middle = made.secret[:30] + ("A" if made.secret[30] != "A" else "B") + made.secret[31:]
        wrong = (made.secret[:-1] + last, middle, made.secret[:-1], f"a2a_unknown_{made.secret[-43:]}", "x", "x" * 6000)
        for key in wrong:
            async with client(one.node, key) as nobody:
                with pytest.raises(Unauthenticated) as refusal:
                    await nobody.call("echo", "say", {"text": "x"})
                assert len(key) < 40 or key[4:40] not in refusal.value.message
        async with client(one.node, made.secret) as somebody:
            assert await said(somebody)


async def test_a_revoked_key_ends_on_every_node_within_a_second(meet: Meet) -> None:
    """With its streams, its agents and the tokens that were issued under it."""
    greeter = Agent("greeter")

    @greeter.capability
    async def greet() -> str:
        return "hello"

    async with meet("one") as one, meet("two") as two:
        made = await one.dev.keys.create(principal="agent:greeter")
        await one.dev.grants.give("agent:greeter", "registry:write")
        await one.dev.grants.give("agent:greeter", "access:token")
        await one.dev.grants.give("agent:greeter", INVOKE)
        async with client(two.node, made.secret) as caller, client(one.node, made.secret) as owner:
            async with asyncio.timeout(PATIENCE):
                while not await reaches(caller):
                    continue
            token = (await owner.keys.token()).token
            async with client(two.node, token) as bearer:
                assert await said(bearer)
                stream = caller.stream("echo", "count", {"n": 10_000, "delay_ms": 20})
                by_token = bearer.stream("echo", "count", {"n": 10_000, "delay_ms": 20})
                for opened in (stream, by_token):
                    assert await anext(opened) == {"number": 1}
                ready = asyncio.Event()
                serving = asyncio.create_task(
                    attach(greeter, two.node.grpc_address, key=made.secret, ready=lambda _: ready.set())
                )
                await ready.wait()
                begun = monotonic()
                assert (await one.dev.keys.revoke(made.key.id)).revoked
                for opened in (stream, by_token):
                    with pytest.raises(Unauthenticated, match="revoked"):
                        async for _ in opened:
                            pass
                for mesh in (caller, bearer, owner):
                    await until_refused(mesh)
                with pytest.raises(Unauthenticated, match="revoked"):
                    await serving
                assert monotonic() - begun < 1
        assert (await one.dev.keys.revoke(made.key.id)).revoked
        with pytest.raises(KeyNotFound):
            await one.dev.keys.revoke("none")


async def reaches(mesh: MeshClient) -> bool:
    """Whether a key and its grants are known on the node."""
    try:
        return await said(mesh)
    except PermissionDenied:
        return False


async def test_a_key_and_its_streams_end_when_its_time_is_over(meet: Meet) -> None:
    """By the clock of Postgres, without anybody's doing; a node may be ahead of it by the time that a trip takes."""
    async with meet() as one:
        made = await one.dev.keys.create(ttl=1.0)
        async with client(one.node, made.secret) as mesh:
            assert await said(mesh)
            with pytest.raises(Unauthenticated, match="expired"):
                async for _ in mesh.stream("echo", "count", {"n": 10_000, "delay_ms": 20}):
                    pass
            assert not await said(mesh)
        async with asyncio.timeout(PATIENCE):
            while [key async for key in one.dev.keys.list()]:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert [key.id async for key in one.dev.keys.list(include_ended=True)] == [made.key.id]


async def test_a_token_reaches_no_further_than_the_key_it_was_issued_under(meet: Meet) -> None:
    """Neither in what it allows nor in how long it holds; and tokens beget none that do."""
    async with meet() as one:
        made = await one.dev.keys.create(permissions=["agent:*:invoke", "access:token"], ttl=300.0)
        async with client(one.node, made.secret) as holder:
            assert made.key.expires_at is not None
            token = await holder.keys.token(permissions=[INVOKE, "access:token"], ttl=600.0)
            assert token.expires_at <= made.key.expires_at
            with pytest.raises(PermissionDenied, match="bound to other permissions"):
                await holder.keys.token(permissions=["cache:read"])
            inherited = await holder.keys.token()
        async with client(one.node, token.token) as bearer:
            assert await said(bearer)
            with pytest.raises(PermissionDenied, match="the key"):
                await bearer.call("other", "say", {})
            child = await bearer.keys.token(ttl=86_400.0)
            assert child.expires_at <= token.expires_at
        async with client(one.node, inherited.token) as bearer:
            with pytest.raises(PermissionDenied, match="the key"):
                await bearer.cache.set("k", 1)
        elsewhere = await one.dev.keys.token(audience=["https://elsewhere.test"])
        async with client(one.node, elsewhere.token) as bearer:
            with pytest.raises(Unauthenticated, match="another audience"):
                await bearer.call("echo", "say", {})


async def test_nobody_makes_keys_in_anothers_name(meet: Meet) -> None:
    """Administrators do, and whoever registered an agent for that agent; a bound key makes none that is wider."""
    helper = Agent("helper")

    @helper.capability
    async def greet() -> str:
        return "hello"

    async with meet() as one:
        for permission in ("access:key", "access:token", "registry:write"):
            await one.dev.grants.give("person:ann", permission)
        for refused in (one.ann.keys.create(principal="person:dev"), one.ann.keys.token(principal="agent:helper")):
            with pytest.raises(PermissionDenied, match="another's"):
                await refused
        async with attached(helper, one.node.grpc_address, key="key-of-ann"):
            assert (await one.ann.keys.create(principal="agent:helper")).key.principal == "agent:helper"
            assert (await one.ann.keys.token(principal="agent:helper")).token
        mine = await one.ann.keys.create()
        with pytest.raises(PermissionDenied, match="of your making"):
            await one.ann.keys.revoke((await one.dev.keys.create()).key.id)
        assert (await one.dev.keys.revoke(mine.key.id)).revoked
        for wrong in (
            one.dev.keys.create(permissions=["a:*:*"]),
            one.dev.keys.create(ttl=0.0),
            one.dev.keys.create("n" * 64),
            one.dev.keys.create(principal="ann"),
            one.dev.keys.token(ttl=90_000.0),
        ):
            with pytest.raises(InvalidInput):
                await wrong


async def test_when_a_key_was_last_used_is_known_to_the_minute(meet: Meet) -> None:
    """Once the node has written it down, at its end at the latest."""
    async with meet() as one:
        made = await one.dev.keys.create()
        async with client(one.node, made.secret) as mesh:
            assert await said(mesh)
    async with meet() as one:
        (key,) = [key async for key in one.dev.keys.list()]
        assert key.id == made.key.id
        assert key.last_used_at is not None
        assert key.last_used_at.second == 0


async def test_metadata_of_100_kib_is_refused_and_harms_nobody(meet: Meet) -> None:
    """As a key, or beside one."""
    async with meet() as one:
        async with client(one.node, "x" * 100 * 1024) as nobody:
            with pytest.raises(MeshError):
                await nobody.call("echo", "say", {"text": "x"})
        async with grpc.aio.insecure_channel(one.node.grpc_address) as channel:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/a2amesh.v1.AgentService/Invoke", None, None
            )
            beside = (("authorization", f"Bearer {one.dev_key}"), ("x-more", "y" * 100 * 1024))
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await rpc(b"", metadata=beside)
            assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await said(one.dev)

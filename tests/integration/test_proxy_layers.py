"""What stands around calls that are passed through: the same layers as around all calls of an agent."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.model.errors import AgentDisabled, Frozen, NodeDraining, PermissionDenied, RateLimited, Unauthenticated
from a2a_node.model.limits import LimitKey, Rate
from tests.integration.orders_agent import SERVICE, item_of, order
from tests.integration.orders_house import PATIENCE, failed, named, naming, orders_at, stub_of
from tests.integration.people import Meet, meet
from tests.integration.test_audit import events
from tests.integration.test_metrics import metrics, value

__all__ = ["meet"]
PLACE = f"{SERVICE}/Place"
SLOW = 0.001  # tokens a second: none grows during a test


async def test_who_may_not_call_the_agent_may_not_call_its_services(meet: Meet) -> None:
    """Not without a key, not without a grant; a grant may look at the method."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        for key, refusal in (("wrong", Unauthenticated), ("key-of-ann", PermissionDenied)):
            failure = named(await failed(stub.place(order(), metadata=naming(key))))
            assert isinstance(failure, refusal)
        assert failure.variables["permission"] == "agent:orders:invoke"
        await one.dev.grants.give("person:ann", "agent:orders:invoke", conditions=[f"call.capability == '{PLACE}'"])
        assert item_of(await stub.place(order("tea"), metadata=naming("key-of-ann"))) == "tea"
        failure = named(await failed(stub.watch(order(), metadata=naming("key-of-ann"))))
        assert isinstance(failure, PermissionDenied)
        assert agent.calls == 1
        refused = await events(one.dev, 2, action="agent:invoke")
        assert [(event.fact.target, event.fact.user_id) for event in refused] == [
            (f"agent:orders:{PLACE}", ""),
            (f"agent:orders:{PLACE}", "person:ann"),
        ]


async def test_a_revoked_grant_ends_what_runs_on_it(meet: Meet) -> None:
    """The agent is cancelled."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        grant = await one.dev.grants.give("person:ann", "agent:orders:invoke")
        watch = stub.watch(order("silent"), metadata=naming("key-of-ann"))
        async with asyncio.timeout(PATIENCE):
            await agent.begun.wait()
            await one.dev.grants.revoke(grant.id)
            assert isinstance(named(await failed(watch)), PermissionDenied)
            await agent.cancelled.wait()


async def test_all_methods_share_a_bucket_but_those_that_a_limit_names(meet: Meet) -> None:
    """However many a client invents."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        await one.dev.limits.set(SLOW, 3, LimitKey(agent="orders"))
        await one.dev.limits.set(SLOW, 2, LimitKey(agent="orders", capability=PLACE))
        with_key = naming(one.dev_key)
        for _ in range(2):
            assert item_of(await stub.place(order("tea"), metadata=with_key)) == "tea"
        assert isinstance(named(await failed(stub.place(order(), metadata=with_key))), RateLimited)
        async with grpc.aio.insecure_channel(one.node.grpc_address) as channel:
            seen = []
            for number in range(10):
                call = channel.unary_unary(f"/{SERVICE}/Invented{number}", None, None)  # type: ignore[var-annotated]
                seen.append((await failed(call(b"", metadata=with_key))).code())
        # a busy machine may hear nothing of Redis in time, and then admits fewer
        assert seen.count(grpc.StatusCode.UNIMPLEMENTED) <= 3
        assert seen.count(grpc.StatusCode.RESOURCE_EXHAUSTED) >= 7
        assert agent.calls == 2
        told = await one.dev.limits.get(LimitKey(agent="orders", capability=PLACE))
        assert told.limit.rate == Rate(SLOW, 2)
        assert told.bucket is not None
        assert told.bucket.available < 1


async def test_a_frozen_or_disabled_agent_is_not_reached(meet: Meet) -> None:
    """What runs is ended."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        with_key = naming(one.dev_key)
        watch = stub.watch(order("silent"), metadata=with_key)
        async with asyncio.timeout(PATIENCE):
            await agent.begun.wait()
        frozen = await one.dev.freezes.freeze("agent:orders", "it runs wild")
        assert isinstance(named(await failed(watch)), Frozen)
        assert isinstance(named(await failed(stub.place(order(), metadata=with_key))), Frozen)
        await one.dev.freezes.unfreeze(frozen.freeze.id)
        await one.dev.agents.update("orders", enabled=False)
        assert isinstance(named(await failed(stub.place(order(), metadata=with_key))), AgentDisabled)
        assert agent.calls == 1


async def test_a_node_that_drains_takes_none_and_finishes_those_it_has(meet: Meet) -> None:
    """As with all calls."""
    async with meet(drain=PATIENCE) as one, orders_at(one), stub_of(one) as stub:
        with_key = naming(one.dev_key)
        talk = stub.talk(metadata=with_key)
        await talk.write(order("tea"))
        assert item_of(await talk.read()) == "tea"
        one.node.draining.begin()
        assert isinstance(named(await failed(stub.place(order(), metadata=with_key))), NodeDraining)
        await talk.write(order("bye"))
        assert item_of(await talk.read()) == "bye"
        assert await talk.code() is grpc.StatusCode.OK


async def test_methods_have_bounded_labels(meet: Meet, capfd: pytest.CaptureFixture[str]) -> None:
    """Those that a call ended well of stand for themselves; the access log names every one."""
    async with meet() as one, orders_at(one), stub_of(one) as stub:
        with_key = naming(one.dev_key)
        assert item_of(await stub.place(order("tea"), metadata=with_key)) == "tea"
        await failed(stub.place(order("refuse"), metadata=with_key))
        async with grpc.aio.insecure_channel(one.node.grpc_address) as channel:
            for number in range(20):
                call = channel.unary_unary(f"/invented.Service/Method{number}", None, None)  # type: ignore[var-annotated]
                await failed(call(b"", metadata=with_key))
        found = await metrics(one.node)
        ended = "a2a_agent_invocations_total"
        assert value(found, ended, agent="orders", capability=PLACE, outcome="ok") == 1
        assert value(found, ended, agent="orders", capability=PLACE, outcome="error") == 1
        assert value(found, ended, agent="orders", capability="unknown", outcome="error") == 20
        assert value(found, "a2a_rpcs_total", method="proxied", code="OK") == 1
        assert value(found, "a2a_rpcs_total", method="proxied", code="UNIMPLEMENTED") == 20
        assert "invented" not in str(found)
    lines = capfd.readouterr().err
    assert f"call orders.{PLACE} succeeded" in lines
    assert "call orders.invented.Service/Method7 AGENT_REFUSED" in lines


async def test_an_agent_at_work_calls_services_of_others_with_its_call_token(meet: Meet) -> None:
    """The call continues its own: its path, its caller's name and its deadline."""
    asker = Agent("asker")

    @asker.capability
    async def ask(address: str, key: str, context: Context) -> dict[str, str]:
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary(f"/{PLACE}", None, None)  # type: ignore[var-annotated]
            await call(b"", metadata=(*naming(key), ("a2a-call-token", context.token)))
        return {"asked": "yes"}

    async with meet() as one, orders_at(one) as agent, attached(asker, one.node.grpc_address, key=one.dev_key):
        said = {"address": one.node.grpc_address, "key": one.dev_key}
        assert await one.dev.call("asker", "ask", said, timeout=5) == {"asked": "yes"}
        assert dict(agent.heard)["a2a-path"] == "asker,orders"
        assert agent.time_left is not None
        assert agent.time_left < 5

"""Limits through whole nodes: how fast somebody may call, wherever in the mesh they call."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Awaitable, Callable
from time import monotonic

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.model.errors import AgentNotFound, CapabilityNotFound, InvalidInput, RateLimited
from a2a_node.model.limits import Limit, LimitKey, LimitSource, Rate
from a2a_node.wire.errors import DETAILS_KEY
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]

SLOW = 0.001  # tokens a second: none grows during a test
SAY = LimitKey(agent="greeter", capability="greet")


async def admitted(calls: list[Awaitable[object]]) -> int:
    """How many of the calls were let through; the others were told when to come back."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, RateLimited)]
    assert all(refusal.retry_after for refusal in refused)
    assert [answer for answer in answers if isinstance(answer, BaseException) and answer not in refused] == []
    return len(calls) - len(refused)


def greeter(limit: str = "", cost: int = 1, name: str = "greeter") -> Agent:
    """An agent of one capability with these options."""
    agent = Agent(name)
    agent.capability(name="greet", limit=limit, cost=cost)(_greet)
    return agent


async def _greet() -> dict[str, str]:
    return {"text": "hello"}


async def test_nobody_calls_faster_than_a_hundred_at_once_and_ten_a_second(meet: Meet) -> None:
    """The default, for every caller by itself; whoever is refused hears when to come back."""
    default = {"limit_rate": 10, "limit_burst": 100}
    async with meet(**default) as one, attached(greeter(), one.node.grpc_address, key=one.dev_key):
        await one.dev.grants.give("person:ann", "agent:greeter:invoke")
        begun = monotonic()
        count = await admitted([one.dev.call("greeter", "greet", {}) for _ in range(300)])
        # what a lease leaves over when the process stands still is lost: it holds a fourth of the bucket at most
        assert 75 <= count <= 100 + 10 * (monotonic() - begun)
        refusals = [one.dev.call("greeter", "greet", {}) for _ in range(50)]
        told = [str(answer) for answer in await asyncio.gather(*refusals, return_exceptions=True)]
        assert any(
            text.startswith("person:dev asks greeter.greet faster than its limit of 10/s burst 100") for text in told
        )
        assert await one.ann.call("greeter", "greet", {}) == {"text": "hello"}


async def test_a_refusal_says_on_the_wire_how_long_to_wait(meet: Meet) -> None:
    """RESOURCE_EXHAUSTED, with RetryInfo."""
    async with meet(limit_burst=1, limit_rate=0.5) as one, attached(greeter(), one.node.grpc_address, key=one.dev_key):
        await one.dev.call("greeter", "greet", {})
        async with grpc.aio.insecure_channel(one.node.grpc_address) as channel:
            invoke: Callable[..., Awaitable[bytes]] = channel.unary_unary("/a2amesh.v1.AgentService/Invoke")
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await invoke(b"\x0a\x07greeter", metadata=[("authorization", f"Bearer {one.dev_key}")])
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(refusal.value.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailing[DETAILS_KEY])
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        assert status.details[0].Unpack(info)
        assert info.reason == "RATE_LIMITED"
        assert status.details[1].Unpack(retry)
        assert 0 < retry.retry_delay.ToMilliseconds() <= 2000


async def test_a_limit_holds_over_all_nodes_together(meet: Meet) -> None:
    """And is known on every node within a second after it was set on one."""
    async with meet("one") as one, meet("two") as two:
        hosts = [attached(greeter(), meeting.node.grpc_address, key=meeting.dev_key) for meeting in (one, two)]
        async with hosts[0], hosts[1]:
            await one.dev.limits.set(SLOW, 20, SAY)
            async with asyncio.timeout(1):
                while (await two.dev.limits.get(SAY)).limit.rate.burst != 20:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            clients = (one.dev, two.dev)
            count = await admitted([clients[number % 2].call("greeter", "greet", {}) for number in range(100)])
            assert count == 20


async def test_what_a_capability_declares_counts_until_somebody_sets_a_limit(meet: Meet) -> None:
    """Its cost as well; which limit applies, and where it comes from, can be asked."""
    declared = greeter(limit="6/h burst 60", cost=20)
    async with meet() as one, attached(declared, one.node.grpc_address, key=one.dev_key):
        found = await one.dev.limits.get(SAY)
        assert (found.limit.source, found.limit.rate) == (LimitSource.CAPABILITY, Rate(6 / 3600, 60))
        assert found.bucket is not None
        assert (found.bucket.available, found.bucket.retry_after, found.bucket.fallback) == (60, 0, False)
        assert await admitted([one.dev.call("greeter", "greet", {}) for _ in range(10)]) == 3
        await one.dev.limits.set(SLOW, 19, SAY)
        with pytest.raises(RateLimited, match="costs more than a bucket ever holds") as never:
            await one.dev.call("greeter", "greet", {})
        assert not never.value.retryable
        assert (await one.dev.limits.get(SAY)).limit.source is LimitSource.SET
        removed, left = await one.dev.limits.reset(SAY)
        assert (removed, left.source) == (True, LimitSource.CAPABILITY)


async def test_the_more_exact_key_comes_first(meet: Meet) -> None:
    """The principal before the agent before the capability; without any, the setting of the node."""
    async with meet(limit_burst=7, limit_rate=3) as one:
        echo, ann = LimitKey("", "greeter", ""), LimitKey("person:ann", "", "")
        bucket = LimitKey("person:ann", "greeter", "greet")

        async def applies() -> Limit:
            return (await one.dev.limits.get(bucket)).limit

        assert await applies() == Limit(LimitKey(), Rate(3, 7), LimitSource.DEFAULT)
        for burst, key in enumerate((LimitKey(), LimitKey("", "", "greet"), echo, SAY, ann), start=1):
            made = await one.dev.limits.set(1, burst, key)
            assert (made.key, made.updated_by) == (key, "person:dev")
            assert (await applies()).key == key
        assert [limit.rate.burst async for limit in one.dev.limits.list()] == [1, 2, 3, 4, 5]
        assert [limit.key async for limit in one.dev.limits.list(LimitKey(agent="greeter"))] == [echo, SAY]
        assert (await one.dev.limits.reset(ann))[1].key == LimitKey()
        assert (await applies()).key == SAY
        assert await one.dev.limits.reset(ann) == (False, (await one.dev.limits.get(ann)).limit)
        for wrong in (one.dev.limits.set(0, 1), one.dev.limits.set(1, 0), one.dev.limits.set(1, 1, LimitKey("ann"))):
            with pytest.raises(InvalidInput):
                await wrong


async def test_agents_in_between_give_nobody_more(meet: Meet) -> None:
    """A child call empties the bucket of whoever is at the root, and has no other."""
    crowd = Agent("crowd")

    @crowd.capability(limit="1000/s burst 1000")
    async def ask(context: Context) -> object:
        return await context.call("greeter", "greet", {})

    async with (
        meet() as one,
        attached(greeter(), one.node.grpc_address, key=one.dev_key),
        attached(crowd, one.node.grpc_address, key=one.dev_key),
    ):
        await one.dev.limits.set(SLOW, 5, SAY)
        await one.dev.grants.give("person:ann", "agent:*:invoke")
        assert await admitted([one.dev.call("greeter", "greet", {}) for _ in range(2)]) == 2
        assert await admitted([one.dev.call("crowd", "ask", {}) for _ in range(10)]) == 3
        assert await admitted([one.ann.call("crowd", "ask", {}) for _ in range(10)]) == 5


async def test_invented_names_have_no_bucket(meet: Meet) -> None:
    """Neither here nor in Redis, nor a series: they are not found."""
    async with meet() as one:
        for number in range(50):
            with pytest.raises(AgentNotFound):
                await one.dev.call(f"nobody{number}", "say", {})
            with pytest.raises(CapabilityNotFound):
                await one.dev.call("echo", f"nothing{number}", {})
        await one.dev.call("echo", "say", {"text": "x"})
        figures = await page(one)
        assert figures["a2a_limit_buckets"] == 1
        assert not [name for name in figures if "nobody" in name or "nothing" in name]


async def test_the_figures_tell_what_was_admitted_and_refused(meet: Meet) -> None:
    """By agent, with the leases and the trips that it took."""
    async with meet() as one, attached(greeter(), one.node.grpc_address, key=one.dev_key):
        await one.dev.limits.set(SLOW, 30, SAY)
        assert await admitted([one.dev.call("greeter", "greet", {}) for _ in range(40)]) == 30
        figures = await page(one)
        assert figures['a2a_limit_admitted_total{agent="greeter"}'] == 30
        assert figures['a2a_limit_refused_total{agent="greeter"}'] == 10
        assert (
            1
            <= figures['a2a_limit_leases_total{agent="greeter"}']
            <= figures['a2a_limit_redis_trips_total{agent="greeter"}']
        )
        assert figures['a2a_rate_limit_exceeded_total{agent="greeter",capability="greet"}'] == 10
        assert (figures["a2a_limit_alone"], figures["a2a_limit_fallbacks_total"]) == (0, 0)


async def test_what_a_node_has_left_goes_back_when_it_ends(meet: Meet) -> None:
    """So that its end costs nobody a token; a stall for longer than a lease loses some before, which is no end."""
    async with meet("one") as one:
        for name in ("greeter-1", "greeter-2", "greeter-3"):
            available, leased = await left_of(one, meet, name)
            if available == 90 and leased == 0:
                break
    assert (available, leased) == (90, 0)


async def left_of(one: Meeting, meet: Meet, name: str) -> tuple[int, float]:
    """The tokens of 100, and those of leases, once a node has ended that took ten calls of that agent."""
    key = LimitKey(agent=name, capability="greet")
    async with attached(greeter(name=name), one.node.grpc_address, key=one.dev_key):
        await one.dev.limits.set(SLOW, 100, key)
        async with meet(f"two-{name}") as two, attached(greeter(name=name), two.node.grpc_address, key=two.dev_key):
            for _ in range(10):
                await two.dev.call(name, "greet", {})
        bucket = (await one.dev.limits.get(key)).bucket
    assert bucket is not None
    return round(bucket.available), bucket.leased


async def page(meeting: Meeting) -> dict[str, float]:
    """The figures of a node, by name and labels."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{meeting.node.http_address}/metrics", timeout=5) as response:
            return str(response.read().decode())

    text = await asyncio.to_thread(read)
    return {name: float(value) for name, value in re.findall(r"^(a2a_\S+) (\S+)", text, re.MULTILINE)}

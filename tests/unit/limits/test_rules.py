"""The rules: which limit applies to whom, and how they follow what is set."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.limits.rules import Rules
from a2a_node.mesh.hearing import Habits
from a2a_node.model.agents import AgentCapability
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.limits import LimitKey, LimitSource, Rate
from a2a_node.testing import MemoryLimits

HABITS = Habits(first_wait=0.001, longest_wait=0.01, patience=0.05)
DEFAULT = Rate(10, 100)
BUCKET = LimitKey("person:ann", "echo", "say")
PLAIN = AgentCapability("say")
EXACTNESS = [
    LimitKey(*parts)
    for parts in (
        ("person:ann", "echo", "say"),
        ("person:ann", "echo", ""),
        ("person:ann", "", "say"),
        ("person:ann", "", ""),
        ("", "echo", "say"),
        ("", "echo", ""),
        ("", "", "say"),
        ("", "", ""),
    )
]


async def test_of_all_keys_that_fit_the_most_exact_counts() -> None:
    """The principal before the agent before the capability."""
    store = MemoryLimits()
    async with Rules.following(store, DEFAULT, HABITS) as rules:
        assert rules.limit(BUCKET, PLAIN).source is LimitSource.DEFAULT
        for burst, key in enumerate(reversed(EXACTNESS), start=1):
            _, revision = await store.put(key, Rate(1, burst), "person:dev")
            await rules.reached(revision)
            assert rules.limit(BUCKET, PLAIN).key == key
            assert rules.rate(BUCKET, PLAIN) == Rate(1, burst)
        assert rules.rate(LimitKey("person:bob", "other", "do"), PLAIN) == Rate(1, 1)
        assert [limit.key for limit in rules.all()] == sorted(EXACTNESS)


async def test_what_a_capability_declares_counts_as_if_set_for_it() -> None:
    """Until somebody does set that; what is no limit is none."""
    store, declared = MemoryLimits(), AgentCapability("say", limit="60/m", cost=70)
    async with Rules.following(store, DEFAULT, HABITS) as rules:
        assert rules.rate(BUCKET, declared) == Rate(1, 70)
        await rules.reached((await store.put(LimitKey(agent="echo"), Rate(1, 1), "person:dev"))[1])
        assert rules.limit(BUCKET, declared).source is LimitSource.CAPABILITY
        await rules.reached((await store.put(LimitKey("", "echo", "say"), Rate(1, 2), "person:dev"))[1])
        assert rules.rate(BUCKET, declared) == Rate(1, 2)
        await rules.reached((await store.remove(LimitKey("", "echo", "say")))[1])
        assert rules.rate(BUCKET, declared) == Rate(1, 70)
        assert rules.rate(BUCKET, AgentCapability("say", limit="often")) == Rate(1, 1)


async def test_it_goes_on_by_what_it_knows_while_the_store_is_away() -> None:
    """And reads what it missed once that is back."""
    store = MemoryLimits()
    async with Rules.following(store, DEFAULT, HABITS) as rules:
        await rules.reached((await store.put(BUCKET, Rate(1, 1), "person:dev"))[1])
        store.lose()
        assert rules.rate(BUCKET, PLAIN) == Rate(1, 1)
        with pytest.raises(StoreUnavailable):
            await rules.reached(99)
        store.recover()
        await store.put(BUCKET, Rate(2, 2), "person:dev")
        async with asyncio.timeout(10):
            while rules.rate(BUCKET, PLAIN) != Rate(2, 2):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)


async def test_a_node_cannot_start_without_the_limits() -> None:
    """It would admit by the default what somebody has limited."""
    store = MemoryLimits()
    store.lose()
    with pytest.raises(StoreUnavailable):
        async with Rules.following(store, DEFAULT, HABITS):
            pass

"""Load, and what may be tuned."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import InvalidInput, RateLimited
from a2a_node.model.limits import Limit, LimitKey, LimitSource, Rate
from a2a_node.ops.incidents.words import Edge
from a2a_node.ops.performance import tunables
from a2a_node.ops.performance.evidence import Evidence, Hot
from a2a_node.ops.performance.loading import Measured, Plan, driven, measured, percentile
from a2a_node.ops.performance.tunables import Change, Subject
from tests.unit.virtual import in_no_time


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    """Below which that share lies."""
    order = sorted(values)
    found = percentile(order, share)
    assert found in order
    assert sum(value <= found for value in order) >= share * len(order) - 1e-9


def test_of_very_many_calls_some_are_told() -> None:
    """And the percentiles are of all of them."""
    found = measured([number / 1e6 for number in range(10_000)], Counter(), 0, 10.0)
    assert len(found.sample.milliseconds) == 2_000
    assert (found.sample.calls, found.p50, found.per_second) == (10_000, 4.999, 1000.0)


def test_side_by_side_calls_are_as_many_as_asked() -> None:
    """Never more at a time; those that fail are counted by reason."""
    running = most = count = 0

    async def shot() -> None:
        nonlocal running, most, count
        running, count = running + 1, count + 1
        most = max(most, running)
        try:
            await asyncio.sleep(0.001)
            if count % 2:
                raise RateLimited("person:ann", "baker.bake", "1/s", 1.0)
        finally:
            running -= 1

    found = in_no_time(driven(Plan(seconds=0.1, concurrency=3), shot))
    assert most == 3
    assert found.sample.calls == count
    assert found.sample.failed == sum(found.errors.values())


def test_at_a_rate_slow_calls_are_begun_none_the_less() -> None:
    """An agent that takes long is asked as often as a fast one; times count from when a call was due."""
    begun = 0

    async def shot() -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.2)

    found = in_no_time(driven(Plan(seconds=0.2, rate=100), shot))
    assert begun == 20
    assert found.sample.calls == 20
    assert found.skipped == 0


def test_slow_calls_are_waited_for_until_there_are_enough() -> None:
    """Or until patience ends: few calls prove nothing, and a figure is of the time that it took."""

    async def shot() -> None:
        await asyncio.sleep(0.1)

    found = in_no_time(driven(Plan(seconds=0.2, concurrency=2, least=10, patience=5), shot))
    assert (found.sample.calls, found.per_second) == (10, 20.0)
    short = in_no_time(driven(Plan(seconds=0.2, concurrency=2, least=10, patience=0.1), shot))
    assert short.sample.calls == 6
    rated = in_no_time(driven(Plan(seconds=0.2, rate=10, least=10, patience=5), shot))
    assert rated.sample.calls >= 10


def test_an_error_that_is_no_answer_ends_the_load() -> None:
    """It is a fault of the program."""

    async def shot() -> None:
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup):
        in_no_time(driven(Plan(seconds=5, concurrency=2), shot))


def subject(config: dict[str, object], rate: float = 10.0) -> Subject:
    """An agent with a config."""
    agent = AgentDescriptor("baker", version="1", capabilities=(AgentCapability("bake"),), config=config)
    limit = Limit(LimitKey(), Rate(rate, 100), LimitSource.DEFAULT)
    return Subject(agent, "bake", limit, limit_is_exact=False)


def load(**errors: int) -> Measured:
    """A load with failures."""
    return measured([0.01] * 50, Counter(errors), 0, 1.0)


def test_a_limit_that_refuses_calls_is_proposed_to_be_wider() -> None:
    """And one that does not is left alone."""
    (found,) = tunables.proposed(subject({}), load(RATE_LIMITED=20))
    assert (found.setting, found.before, found.after) == ("limit", 10.0, 40.0)
    assert tunables.proposed(subject({}), load(AGENT_FAILED=20)) == []


def test_numbers_that_an_agent_declares_are_proposed_within_its_bounds() -> None:
    """Half way as ratios go; what is declared in another form is left out."""
    config: dict[str, object] = {
        "batch": 4,
        "rounds": 64,
        "name": "x",
        "tunable": {
            "batch": {"least": 1, "most": 64, "towards": "most"},
            "rounds": {"least": 1, "most": 100, "towards": "least"},
            "name": {"least": 1, "most": 2},
            "odd": "yes",
        },
    }
    found = tunables.proposed(subject(config), load())
    assert [(each.name, each.before, each.after) for each in found] == [("batch", 4, 16), ("rounds", 64, 8)]


def test_numbers_come_in_the_order_of_what_the_profile_shows() -> None:
    """Each says so."""
    bounds = {"least": 1, "most": 64, "towards": "most"}
    tunable = {"a": bounds, "b": {**bounds, "where": "encode"}, "c": {**bounds, "where": "sweep"}}
    known = Evidence([Hot(function="Codec.encode (codec.py:3)", own=0.2, within=0.7)])
    found = tunables.proposed(subject({"a": 4, "b": 4, "c": 4, "tunable": tunable}), load(), known)
    assert [change.name for change in found] == ["b", "a", "c"]
    assert "70% of the profile are within encode" in found[0].why


def test_the_numbers_of_whom_most_of_the_time_goes_into_come_first() -> None:
    """By the calls; who works itself is tuned itself."""

    def way(caller: str, agent: str, seconds: float) -> Edge:
        return Edge(caller=caller, agent=agent, capability="do", calls=9, failed=0, seconds=seconds, slow=1.0)

    ways = [way("", "baker", 10.0), way("baker", "oven", 6.0), way("baker", "shop", 1.0)]
    assert Evidence(ways=ways).below("baker") == ("oven", 0.6)
    assert Evidence(ways=[ways[0], ways[2]]).below("baker") == ("", 0.0)
    config: dict[str, object] = {"size": 4, "tunable": {"size": {"least": 1, "most": 64, "towards": "most"}}}
    oven = replace(subject(config), agent=replace(subject(config).agent, name="oven"))
    found = tunables.proposed(subject(config), load(), Evidence(ways=ways), oven)
    assert [change.agent for change in found] == ["oven", "baker"]


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_proposals_never_leave_their_bounds(now: float, one: float, other: float) -> None:
    """Whatever is declared, from wherever inside of it."""
    least, most = sorted((one, other))
    now = min(max(now, least), most)
    config = {"size": now, "tunable": {"size": {"least": least, "most": most}}}
    for change in tunables.proposed(subject(config), load()):
        assert tunables.checked(change, config) is change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"setting": "config", "name": "secret", "before": 1, "after": 2}, "input.change.name"),
        ({"setting": "config", "name": "batch", "before": 1, "after": 65}, "input.change.after"),
        ({"setting": "limit", "before": 10, "after": 1e6}, "input.change.after"),
        ({"setting": "limit", "before": 10, "after": 5}, "input.change.after"),
    ],
    ids=["undeclared", "beyond", "limit-beyond", "limit-lower"],
)
def test_what_leaves_its_bounds_is_refused(change: dict[str, object], field: str) -> None:
    """Whoever proposed it."""
    config = {"batch": 1, "secret": 1, "tunable": {"batch": {"least": 1, "most": 64}}}
    with pytest.raises(InvalidInput) as refusal:
        tunables.checked(Change.model_validate({"agent": "baker", **change}), config)
    assert refusal.value.variables["field"] == field

"""Budgets on a call's way: opened by a root, reserved before a child, settled after it, whatever comes of it."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from a2a_node.mesh.spending import budgeted
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.budget import Account, Spending
from a2a_node.model.call import Call, Proceed
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import AgentFailed, BudgetExhausted, InvalidInput, StoreUnavailable
from a2a_node.testing import MemoryBudgets

INSTANCE = Instance("i", "a", "one", InstanceKind.HOSTED)


async def done(_: Call) -> None:
    """Nothing more to do."""


def root(**limits: int) -> Call:
    """The first call of a tree."""
    made = Call(method="/m", rest=done, id="r", agent="a", capability="say", budget=limits or None)
    made.envelope = Envelope(monotonic() + 60, 60.0, ("a",), "", "r", (), "r")
    return made


def child(call_id: str, parent: Call, **reserve: int) -> Call:
    """A call that the agent of another one makes."""
    made = Call(method="/m", rest=done, id=call_id, agent="b", capability="say", reserve=reserve or None)
    made.budget = {"calls": 1000}
    above = parent.envelope
    assert above is not None
    made.envelope = Envelope(above.deadline, 60.0, ("a", "b"), parent.id, "r", (), call_id, (), above.budget)
    return made


class House:
    """The layer, over a store in memory; calls that are under way are known by their ids."""

    def __init__(self) -> None:
        self.store = MemoryBudgets()
        self.calls: dict[str, Call] = {}
        self._layer = budgeted(
            self.store, lambda call_id: self.calls[call_id].spending if call_id in self.calls else None
        )

    async def go(self, call: Call, work: Proceed = done, *, reached: bool = True) -> None:
        """Let a call through the layer to an agent, or only towards one."""

        async def rest(call: Call) -> None:
            call.instance = INSTANCE if reached else None
            self.calls[call.id] = call
            try:
                await work(call)
            finally:
                del self.calls[call.id]

        await self._layer(call, rest)


def spending(**amounts: int) -> Proceed:
    """An agent that uses so much."""

    async def work(call: Call) -> None:
        assert call.spending is not None
        for unit, amount in amounts.items():
            call.spending.spend(unit, amount)

    return work


async def test_a_call_without_a_budget_pays_no_trip() -> None:
    """Even while the store is away."""
    house = House()
    house.store.lose()
    call = root()
    await house.go(call)
    assert (call.spending, call.used) == (None, None)


async def test_a_tree_adds_up_at_its_root() -> None:
    """What the root's agent used and what its children did; each is told what is left."""
    house = House()
    call, one, two = root(calls=5, tokens=100), root(), root()

    async def work(call: Call) -> None:
        nonlocal one, two
        await spending(tokens=10)(call)
        one = child("c1", call)
        await house.go(one, spending(tokens=30))
        two = child("c2", call, tokens=50)
        await house.go(two, spending(tokens=5, cents=7))

    await house.go(call, work)
    assert call.used == {"calls": 2, "tokens": 45}
    assert (one.used, two.used) == ({"calls": 0, "tokens": 30}, {"calls": 0, "tokens": 5})
    assert one.envelope is not None
    assert two.envelope is not None
    assert one.envelope.budget == {"calls": 4, "tokens": 90}
    assert two.envelope.budget == {"calls": 3, "tokens": 60}


async def test_a_child_call_says_what_its_agent_has_used() -> None:
    """Its report may be behind; it counts once, and nonsense is refused."""
    house, call = House(), root(tokens=100)

    async def work(call: Call) -> None:
        one, two, three = child("c1", call), child("c2", call, tokens=61), child("c3", call)
        one.metadata = two.metadata = {"a2a-used": "tokens=40"}
        await house.go(one, spending(tokens=0))
        assert one.envelope is not None
        assert one.envelope.budget == {"tokens": 60}
        with pytest.raises(BudgetExhausted):
            await house.go(two)
        await spending(tokens=45)(call)
        three.metadata = {"a2a-used": "many"}
        with pytest.raises(InvalidInput):
            await house.go(three)

    await house.go(call, work)
    assert call.used == {"tokens": 45}


async def test_of_three_parallel_children_exactly_two_start() -> None:
    """A limit of two calls; the third is refused before any work."""
    house, started, all_asked = House(), list[str](), asyncio.Event()

    async def note(call: Call) -> None:
        started.append(call.id)
        await all_asked.wait()

    async def work(call: Call) -> None:
        tasks = [asyncio.create_task(house.go(child(name, call), note)) for name in ("c1", "c2", "c3")]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        all_asked.set()
        said = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in said] == [type(None), type(None), BudgetExhausted]

    call = root(calls=2)
    await house.go(call, work)
    assert started == ["c1", "c2"]
    assert call.used == {"calls": 2}


async def test_a_child_cannot_set_a_budget() -> None:
    """What it asks for is ignored, and without one at the root there is none."""
    house, call = House(), root()

    async def work(call: Call) -> None:
        below = child("c1", call)
        await house.go(below)
        assert below.spending is None

    await house.go(call, work)


async def test_what_never_reached_an_agent_is_no_call() -> None:
    """It is free for another one."""
    house = House()

    async def work(call: Call) -> None:
        await house.go(child("c1", call), reached=False)
        await house.go(child("c2", call))
        with pytest.raises(BudgetExhausted):
            await house.go(child("c3", call))

    await house.go(root(calls=1), work)


async def test_failed_and_cancelled_calls_are_settled_too() -> None:
    """With what they had used until then."""
    house, call = House(), root(tokens=100)

    async def fail(call: Call) -> None:
        await spending(tokens=5)(call)
        raise AgentFailed("b", "say")

    async def wait(call: Call) -> None:
        await spending(tokens=6)(call)
        await asyncio.Event().wait()

    async def work(call: Call) -> None:
        with pytest.raises(AgentFailed):
            await house.go(child("c1", call, tokens=90), fail)
        task = asyncio.create_task(house.go(child("c2", call, tokens=90), wait))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await house.go(child("c3", call, tokens=89))

    await house.go(call, work)
    assert call.used == {"tokens": 11}


async def test_a_call_of_another_node_only_reports() -> None:
    """The node that handed it on has reserved it, and settles it."""
    house = House()
    await house.store.open("r", {"tokens": 100}, 60.0)
    await house.store.reserve(Account("r", "c1", "r"), {"tokens": 80}, {})
    parent = root()
    parent.envelope = Envelope(monotonic() + 60, 60.0, ("a",), "", "r", (), "r", (), {"tokens": 100})
    for used in (spending(tokens=7), done):
        carried = child("c1", parent)
        carried.carrier = "two"
        await house.go(carried, used)
        assert carried.used is None
    with pytest.raises(BudgetExhausted):
        await house.store.reserve(Account("r", "c2", "r"), {"tokens": 30}, {})
    assert await house.store.settle(Account("r", "c1", "r"), {}, worked=True) == {"tokens": 7}


async def test_while_the_store_is_away_calls_with_a_budget_are_refused() -> None:
    """One under way ends as it would; and what was spent before is reported when the store is back."""
    house, worked = House(), list[Call]()

    async def work(call: Call) -> None:
        await spending(tokens=40)(call)
        house.store.lose()
        with pytest.raises(StoreUnavailable):
            await house.go(child("c1", call), worked.append)  # type: ignore[arg-type]
        house.store.recover()
        with pytest.raises(BudgetExhausted):
            await house.go(child("c2", call, tokens=61))
        house.store.lose()

    await house.go(root(tokens=100), work)
    assert worked == []
    with pytest.raises(StoreUnavailable):
        await house.go(root(tokens=100))
    assert Spending({}).take() == {}

"""What every store of budgets promises."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from a2a_node.model.budget import MOST, Account, Amounts
from a2a_node.model.budget_ports import Budgets
from a2a_node.model.errors import BudgetExhausted, CallIdTaken, StoreUnavailable
from tests.contract.states import House

NONE: Amounts = {}


@pytest.fixture
def budgets(state_house: House) -> Budgets:
    """A store with no tree in it."""
    return state_house.budgets


def child(call: str, parent: str = "r") -> Account:
    """A call of the tree `r`."""
    return Account("r", call, parent)


async def reserved(budgets: Budgets, call: str, parent: str = "r", **hold: int) -> Amounts:
    """What is left for a call once it is admitted."""
    return await budgets.reserve(child(call, parent), hold, NONE)


async def refused(budgets: Budgets, call: str, parent: str = "r", **hold: int) -> tuple[str, str, str]:
    """Unit, limit and use of a refusal."""
    with pytest.raises(BudgetExhausted) as failure:
        await reserved(budgets, call, parent, **hold)
    assert (failure.value.code, failure.value.retryable) == ("RESOURCE_EXHAUSTED", False)
    return tuple(failure.value.variables[name] for name in ("unit", "limit", "used"))  # type: ignore[return-value]


async def used(budgets: Budgets, call: str = "r") -> Amounts:
    """What a call has used, as its end tells."""
    return await budgets.settle(Account("r", call), NONE, worked=True)


async def test_of_three_at_once_exactly_two_start(budgets: Budgets) -> None:
    """A limit of two calls admits two children, whoever comes first."""
    await budgets.open("r", {"calls": 2}, 60.0)
    tries = await asyncio.gather(*(reserved(budgets, name) for name in "abc"), return_exceptions=True)
    assert sorted(tuple(each.items()) for each in tries if isinstance(each, dict)) == [
        (("calls", 0),),
        (("calls", 1),),
    ]
    (refusal,) = [each for each in tries if isinstance(each, BudgetExhausted)]
    assert refusal.variables == {"unit": "calls", "limit": "2", "used": "2"}
    for name in "abc":
        await budgets.settle(child(name), NONE, worked=True)
    assert await refused(budgets, "d") == ("calls", "2", "2")
    assert await used(budgets) == {"calls": 2}


async def test_a_tree_begins_once(budgets: Budgets) -> None:
    """A root's id is its own."""
    await budgets.open("r", {"calls": 2}, 60.0)
    with pytest.raises(CallIdTaken):
        await budgets.open("r", {"calls": 9}, 60.0)
    await budgets.open("other", {"calls": 1}, 60.0)


async def test_a_call_is_admitted_once_while_it_runs(budgets: Budgets) -> None:
    """Another of the same id is refused, and nothing is counted for it."""
    await budgets.open("r", {"calls": 3}, 60.0)
    await reserved(budgets, "a")
    for name in ("a", "r"):
        with pytest.raises(CallIdTaken):
            await reserved(budgets, name)
    assert await used(budgets) == {"calls": 1}


async def test_a_child_that_nobody_worked_for_is_no_call(budgets: Budgets) -> None:
    """It is given back once, however often it ends."""
    await budgets.open("r", {"calls": 1}, 60.0)
    await reserved(budgets, "a")
    for _ in range(3):
        await budgets.settle(child("a"), NONE, worked=False)
    await reserved(budgets, "b")
    assert await refused(budgets, "c") == ("calls", "1", "1")


async def test_what_is_reserved_counts_as_used_until_it_is_settled(budgets: Budgets) -> None:
    """Then what was not used is free again."""
    await budgets.open("r", {"tokens": 1000}, 60.0)
    assert await reserved(budgets, "a", tokens=600) == {"tokens": 1000}
    assert await refused(budgets, "b", tokens=600) == ("tokens", "1000", "600")
    assert await reserved(budgets, "b", tokens=400) == {"tokens": 400}
    assert await budgets.settle(child("a"), {"tokens": 100}, worked=True) == {"tokens": 100}
    assert await reserved(budgets, "c", tokens=500) == {"tokens": 500}
    assert await used(budgets) == {"tokens": 1000}


async def test_what_was_used_counts_even_beyond_the_limit(budgets: Budgets) -> None:
    """Nobody is told less than the truth; and then nothing more is admitted."""
    await budgets.open("r", {"tokens": 100, "calls": 9}, 60.0)
    assert await reserved(budgets, "a", tokens=10) == {"tokens": 100, "calls": 8}
    assert (await budgets.settle(child("a"), {"tokens": 150}, worked=True))["tokens"] == 150
    assert await refused(budgets, "b") == ("tokens", "100", "150")
    assert (await used(budgets)) == {"tokens": 150, "calls": 1}


async def test_a_unit_with_nothing_left_admits_nobody(budgets: Budgets) -> None:
    """Even those that would reserve none of it: they would use some."""
    await budgets.open("r", {"cents": 0}, 60.0)
    assert await refused(budgets, "a") == ("cents", "0", "0")


async def test_a_parents_report_counts_before_its_child_is_admitted(budgets: Budgets) -> None:
    """And stays when the child is refused."""
    await budgets.open("r", {"tokens": 100}, 60.0)
    assert await budgets.reserve(child("a"), NONE, {"tokens": 60}) == {"tokens": 40}
    with pytest.raises(BudgetExhausted):
        await budgets.reserve(child("b"), {"tokens": 10}, {"tokens": 40})
    assert await used(budgets) == {"tokens": 100}


async def test_units_without_a_limit_are_not_counted(budgets: Budgets) -> None:
    """Neither reserved nor reported."""
    await budgets.open("r", {"calls": 5}, 60.0)
    assert await reserved(budgets, "a", tokens=7) == {"calls": 4}
    await budgets.report(child("a"), {"tokens": 7})
    assert await budgets.settle(child("a"), {"tokens": 7}, worked=True) == {"calls": 0}
    assert await used(budgets) == {"calls": 1}


async def test_what_is_held_back_for_a_call_is_there_for_its_children(budgets: Budgets) -> None:
    """They draw on it first, and what they leave of it is its own again."""
    await budgets.open("r", {"tokens": 1000}, 60.0)
    await reserved(budgets, "a", tokens=1000)
    assert await refused(budgets, "b") == ("tokens", "1000", "1000")
    assert await reserved(budgets, "a1", "a", tokens=700) == {"tokens": 1000}
    assert await refused(budgets, "a2", "a", tokens=400) == ("tokens", "1000", "1000")
    assert await budgets.settle(child("a1", "a"), {"tokens": 200}, worked=True) == {"tokens": 200}
    assert await reserved(budgets, "a2", "a", tokens=800) == {"tokens": 800}
    await budgets.settle(child("a2", "a"), NONE, worked=True)
    assert await budgets.settle(child("a"), {"tokens": 1}, worked=True) == {"tokens": 201}
    assert await used(budgets) == {"tokens": 201}


async def test_a_call_may_end_before_its_children(budgets: Budgets) -> None:
    """What they use later still counts at the root."""
    await budgets.open("r", {"tokens": 100, "calls": 9}, 60.0)
    await reserved(budgets, "a", tokens=30)
    await reserved(budgets, "b", "a", tokens=20)
    await reserved(budgets, "c", "b")
    assert (await budgets.settle(child("a"), {"tokens": 1}, worked=True))["tokens"] == 21
    assert (await used(budgets))["tokens"] == 21
    await budgets.settle(child("b", "a"), {"tokens": 5}, worked=True)
    await budgets.settle(child("c", "b"), {"tokens": 40}, worked=True)
    assert await used(budgets) == {"tokens": 46, "calls": 3}


async def test_a_late_report_counts_at_the_root(budgets: Budgets) -> None:
    """Nothing is lost for coming late."""
    await budgets.open("r", {"tokens": 100}, 60.0)
    await reserved(budgets, "a")
    await budgets.settle(child("a"), {"tokens": 3}, worked=True)
    await budgets.report(child("a"), {"tokens": 4})
    await budgets.report(Account("r", "r"), {"tokens": 5})
    assert await used(budgets) == {"tokens": 12}


async def test_large_amounts_are_exact(budgets: Budgets) -> None:
    """Up to the largest that may be asked for."""
    await budgets.open("r", {"tokens": MOST}, 60.0)
    assert await reserved(budgets, "a", tokens=MOST - 1) == {"tokens": MOST}
    assert await reserved(budgets, "b", tokens=1) == {"tokens": 1}
    assert await refused(budgets, "c", tokens=1) == ("tokens", str(MOST), str(MOST))
    await budgets.settle(child("a"), {"tokens": 3}, worked=True)
    assert await used(budgets) == {"tokens": 4}


async def test_a_tree_is_forgotten_after_its_time(state_house: House, budgets: Budgets) -> None:
    """Whoever still asks then is refused, for nobody knows what was used; reports and ends mean nothing."""
    await budgets.open("r", {"calls": 5}, 60.0)
    await reserved(budgets, "a")
    await state_house.elapse(60)
    with pytest.raises(StoreUnavailable):
        await reserved(budgets, "b")
    await budgets.report(child("a"), {"calls": 1})
    assert await budgets.settle(child("a"), NONE, worked=True) == {}


async def test_an_account_of_its_own_keeps_within_its_limits(budgets: Budgets) -> None:
    """A run's, below the call that started it: it narrows what the tree has, and bounds units of its own."""
    await budgets.open("r", {"calls": 5}, 60.0)
    await reserved(budgets, "a")
    await budgets.enrol(child("run", "a"), {"calls": 2, "tokens": 50}, 60.0)
    assert await reserved(budgets, "s1", "run") == {"calls": 1, "tokens": 50}
    assert await reserved(budgets, "s2", "run", tokens=30) == {"calls": 0, "tokens": 50}
    assert await refused(budgets, "s3", "run") == ("calls", "2", "2")
    await budgets.settle(child("a"), NONE, worked=True)  # the run goes on when the call that started it has ended
    await budgets.settle(child("s1", "run"), NONE, worked=False)
    assert await refused(budgets, "s4", "run", tokens=30) == ("tokens", "50", "30")
    assert await reserved(budgets, "s4", "run", tokens=20) == {"calls": 0, "tokens": 20}
    assert (await reserved(budgets, "b"))["calls"] == 1
    assert (await used(budgets))["calls"] == 4


async def test_an_account_of_its_own_has_no_more_than_its_tree(budgets: Budgets) -> None:
    """Whatever its limits say; and without limits of its own it has what the tree has."""
    await budgets.open("r", {"calls": 2}, 60.0)
    await budgets.enrol(child("run"), {"calls": 9}, 60.0)
    await budgets.enrol(child("other", "run"), NONE, 60.0)
    with pytest.raises(CallIdTaken):
        await budgets.enrol(child("run"), NONE, 60.0)
    assert await reserved(budgets, "s1", "run") == {"calls": 1}
    assert await reserved(budgets, "s2", "other") == {"calls": 0}
    assert await refused(budgets, "s3", "run") == ("calls", "2", "2")


async def test_an_account_of_its_own_keeps_the_tree(state_house: House, budgets: Budgets) -> None:
    """For its time, and never for less than the tree's own."""
    await budgets.open("r", {"calls": 5}, 60.0)
    await budgets.enrol(child("run"), NONE, 200.0)
    await budgets.enrol(child("short"), NONE, 1.0)
    await state_house.elapse(100)
    assert await reserved(budgets, "s", "run") == {"calls": 4}
    await state_house.elapse(101)
    with pytest.raises(StoreUnavailable):
        await budgets.enrol(child("late"), NONE, 60.0)


async def test_it_says_when_the_store_is_away(state_house: House, budgets: Budgets) -> None:
    """And what was reserved before counts when it is back."""
    await budgets.open("r", {"calls": 1}, 60.0)
    await reserved(budgets, "a")
    await state_house.lose()
    for attempt in (
        budgets.open("s", {"calls": 1}, 60.0),
        reserved(budgets, "b"),
        budgets.report(child("a"), NONE),
        budgets.settle(child("a"), NONE, worked=True),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    await state_house.recover()
    assert await refused(budgets, "b") == ("calls", "1", "1")


async def test_many_at_once_never_have_more_than_there_is(budgets: Budgets) -> None:
    """Two hundred calls that reserve, work and settle side by side, some of them for nobody."""
    await budgets.open("r", {"tokens": 1000, "calls": 50}, 60.0)
    held, numbers, most = [0], count(), [0]

    async def work(number: int) -> None:
        hold = 37 * (number % 9)
        try:
            await reserved(budgets, f"c{number}", tokens=hold)
        except BudgetExhausted:
            return
        held[0] += hold
        most[0] = max(most[0], held[0])
        await asyncio.sleep(0)
        held[0] -= hold
        spent = hold // 4
        await budgets.settle(child(f"c{number}"), {"tokens": spent}, worked=next(numbers) % 5 > 0)

    await asyncio.gather(*(work(number) for number in range(200)))
    sums = await used(budgets)
    assert 0 < most[0] <= 1000
    assert 0 < sums["tokens"] <= 1000
    assert 0 < sums["calls"] <= 50


async def test_a_tree_is_given_more_than_it_has_used_once_in_a_turn(budgets: Budgets) -> None:
    """Whatever was used stays counted; an account below has its own measure."""
    await budgets.open("r", {"calls": 3, "tokens": 10}, 60.0)
    await budgets.enrol(child("part"), {"calls": 1}, 60.0)
    await reserved(budgets, "a", "part", tokens=4)
    assert await refused(budgets, "b", "part") == ("calls", "1", "1")
    for _ in range(2):
        assert await budgets.renew("r", "part", {"calls": 1, "cents": 5}, 60.0, 2)
    await reserved(budgets, "b", "part")
    assert await refused(budgets, "c", "part") == ("calls", "2", "2")
    for turn in (1, 2, 2):
        assert await budgets.renew("r", "r", {"calls": 3}, 60.0, turn)
    assert await reserved(budgets, "d") == {"calls": 2, "tokens": 6}
    assert not await budgets.renew("r", "nobody", {"calls": 1}, 60.0, 3)
    assert not await budgets.renew("other", "other", {"calls": 1}, 60.0, 3)


async def test_a_tree_that_is_given_more_lives_longer(budgets: Budgets) -> None:
    """And never shorter than it would have."""
    await budgets.open("r", {"calls": 3}, 0.3)
    assert await budgets.renew("r", "r", {}, 60.0, 2)
    assert await budgets.renew("r", "r", {}, 0.001, 2)
    await asyncio.sleep(0.4)
    assert await reserved(budgets, "a") == {"calls": 2}

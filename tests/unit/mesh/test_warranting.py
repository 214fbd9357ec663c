"""Writing warrants: what is kept of whoever starts a run, and whose budget its steps draw on."""

from __future__ import annotations

import pytest

from a2a_node.mesh.warranting import NewTree, Warrants
from a2a_node.model.budget import Account
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import BudgetExhausted, StoreUnavailable
from a2a_node.model.principal import Principal, Proof
from a2a_node.model.trace import Trace
from a2a_node.model.warrants import Warrant
from a2a_node.testing import MemoryBudgets
from a2a_node.wire.warrants import to_warrant

ANN, CREW = Principal("person", "ann"), Principal("agent", "crew")
STARTED = Trace(7, 9, sampled=True)


async def done(_: Call) -> None:
    """Nothing more to do."""


def start(*, at_work: bool = False, budgeted: bool = False) -> Call:
    """A call of StartRun behind the layers, perhaps by an agent at work."""
    call = Call("/a2amesh.v1.WorkflowService/StartRun", done, {"baggage": "tenant=7"}, trace=STARTED)
    call.principal, call.scopes = (CREW if at_work else ANN), ("workflow:start",)
    call.proof = Proof(call.principal, call.scopes, key="k1")
    call.envelope = Envelope(9.0, 9.0, root="")
    if at_work:
        budget = {"calls": 3} if budgeted else None
        call.envelope = Envelope(9.0, 9.0, ("crew",), "parent", "root", (ANN, CREW), "", (("a:b",),), budget)
    return call


async def written(budgets: MemoryBudgets, call: Call, budget: dict[str, int] | None = None) -> Warrant:
    """The warrant of a run that it starts."""
    return to_warrant(await Warrants(budgets).authority_of(call, NewTree("run", budget, 3600.0)))


async def test_it_says_all_that_is_known_of_the_starter() -> None:
    """From outside, or at work for somebody."""
    budgets = MemoryBudgets()
    scopes, key = ("workflow:start",), "k1"
    outside = Warrant("run", ANN, scopes, key, root="run", trace=STARTED, baggage="tenant=7")
    assert await written(budgets, start()) == outside
    at_work = Warrant("run", CREW, scopes, key, (ANN, CREW), (("a:b",),), ("crew",), "root", "", STARTED, "tenant=7")
    assert await written(budgets, start(at_work=True)) == at_work


async def test_a_run_with_a_budget_gets_it_under_its_own_id() -> None:
    """Whoever starts it, where that tree has none."""
    for at_work in (False, True):
        budgets = MemoryBudgets()
        assert (await written(budgets, start(at_work=at_work), {"calls": 1})).purse == "run"
        assert await budgets.reserve(Account("run", "step", "run"), {}, {}) == {"calls": 0}


async def test_a_run_of_an_agent_at_work_draws_on_the_budget_of_that_tree() -> None:
    """Within its own, and beyond the time of the call that has started it."""
    budgets = MemoryBudgets()
    await budgets.open("root", {"calls": 3}, 5.0)
    warrant = await written(budgets, start(at_work=True, budgeted=True), {"calls": 1})
    assert (warrant.root, warrant.purse) == ("root", "root")
    await budgets.reserve(Account("root", "s1", "run"), {}, {})
    with pytest.raises(BudgetExhausted):
        await budgets.reserve(Account("root", "s2", "run"), {}, {})
    assert await budgets.reserve(Account("root", "c", "root"), {}, {}) == {"calls": 1}


async def test_without_its_store_only_a_run_with_a_budget_does_not_start() -> None:
    """Nobody could say what it uses."""
    budgets = MemoryBudgets()
    budgets.lose()
    assert (await written(budgets, start())).purse == ""
    for call, budget in ((start(), {"calls": 1}), (start(at_work=True, budgeted=True), None)):
        with pytest.raises(StoreUnavailable):
            await written(budgets, call, budget)

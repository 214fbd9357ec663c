"""Writing warrants: what this node knows of whoever starts a run, and the budget that the run's steps draw on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from a2a_node.mesh.spending import SLACK
from a2a_node.model.budget import Account, Amounts
from a2a_node.model.budget_ports import Budgets
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import CallIdTaken, InternalError, RunStateConflict
from a2a_node.model.runs import Run
from a2a_node.model.trace import BAGGAGE, received
from a2a_node.model.warrants import Warrant
from a2a_node.wire.warrants import from_warrant, to_warrant


@dataclass(frozen=True, slots=True)
class NewTree:
    """The run that is to begin: its id, what it may use at most, and for how many seconds."""

    run_id: str
    budget: Amounts | None
    timeout: float


class Warrants:
    """Writes the warrant of a run, which only nodes read."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    async def authority_of(self, call: Call, run: NewTree) -> bytes:
        """By what the steps of a run are called that `call` starts.

        A run of an agent at work draws on the budget of that tree, within its own where it has one; another one gets
        its own. StoreUnavailable where there is a budget and nobody can keep it.
        """
        envelope = _envelope(call)
        warrant = replace(
            _standing(call),
            run_id=run.run_id,
            path=envelope.path,
            root=envelope.root,
            purse=await self._purse(call, run),
            trace=call.trace or received(call.metadata),
            baggage=call.metadata.get(BAGGAGE, ""),
        )
        return from_warrant(warrant)

    async def renewed(self, run: Run, seconds: float | None) -> None:
        """Give a run that is taken up again its budget anew, for so many seconds or as many as it had.

        Once for each time that it is taken up. RunStateConflict when the tree that it draws on is over.
        """
        warrant = to_warrant(run.authority)
        lasts = SLACK + (seconds or (run.expires_at - run.created_at).total_seconds())
        budget, turn = run.budget or {}, run.wishes.group + 1
        if not warrant.purse or await self._budgets.renew(warrant.purse, warrant.run_id, budget, lasts, turn):
            return
        if warrant.purse != run.id:
            raise RunStateConflict(run.id, run.status, "the calls whose budget it draws on are over; start a new run")
        with suppress(CallIdTaken):  # by whoever took it up at the same time
            await self._budgets.open(run.id, budget, lasts)

    async def _purse(self, call: Call, run: NewTree) -> str:
        """Under what the budget of the run is kept, once it is; empty where nothing bounds it."""
        envelope, kept = _envelope(call), run.timeout + SLACK
        if envelope.budget is not None:
            account = Account(envelope.tree, run.run_id, envelope.parent)
            await self._budgets.enrol(account, run.budget or {}, kept)
            return envelope.tree
        if run.budget:
            await self._budgets.open(run.run_id, run.budget, kept)
            return run.run_id
        return ""


def standing_of(call: Call) -> bytes:
    """By what runs are started later, by themselves: in whose name, with what bounds it, and nothing of this call."""
    return from_warrant(_standing(call))


def _standing(call: Call) -> Warrant:
    key, envelope = "" if call.proof is None else call.proof.key, call.envelope
    above = ((), ()) if envelope is None else (envelope.authority, envelope.scopes)
    return Warrant("", call.principal, call.scopes, key, *above)


def _envelope(call: Call) -> Envelope:
    if call.envelope is None:
        raise InternalError
    return call.envelope

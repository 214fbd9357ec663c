"""Moves of a tree of calls against its budget, drawn at random, and what must hold after each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from a2a_node.model.budget import CALLS, Account, Amounts
from a2a_node.model.budget_ports import Budgets
from a2a_node.model.errors import BudgetExhausted, CallIdTaken

ROOT = "r"
LIMITS: Amounts = {CALLS: 6, "tokens": 100}


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that happens to a call: it is admitted below another one, it reports, or it ends."""

    kind: str  # "reserve", "report" or "settle"
    call: str
    parent: str = ROOT
    tokens: int = 0  # held back, or used
    calls: int = 0  # held back beside its own
    worked: bool = True


@dataclass(slots=True)
class Tree:
    """A tree of calls; `honest` ones report no more than was held back for them and not passed on to their children."""

    budgets: Budgets
    name: str
    honest: bool = True
    thrifty: bool = False  # calls reserve no more for their children than was held back for them
    alive: dict[str, int] = field(default_factory=dict)  # tokens that a call may still report, by its id
    parents: dict[str, str] = field(default_factory=dict)
    admitted: int = 0
    answers: list[object] = field(default_factory=list)

    async def begin(self) -> None:
        """Open it."""
        await self.budgets.open(self.name, LIMITS, 600.0)

    async def make(self, move: Move) -> None:
        """Make a move and note what was answered."""
        account = Account(self.name, self._id(move.call), self._id(move.parent))
        try:
            self.answers.append(await self._made(move, account))
        except (BudgetExhausted, CallIdTaken) as refusal:
            self.answers.append((type(refusal).__name__, dict(refusal.variables)))

    async def _made(self, move: Move, account: Account) -> object:
        if move.kind == "reserve":
            return await self._reserved(move, account)
        rest = self.alive.get(move.call, 0)
        used = {"tokens": min(move.tokens, rest) if self.honest else move.tokens}
        if move.kind == "report":
            if move.call in self.alive:
                self.alive[move.call] -= min(used["tokens"], rest)
            await self.budgets.report(account, used)
            return None
        known = self.alive.pop(move.call, None) is not None
        if known and not move.worked:
            self.admitted -= 1
        return await self.budgets.settle(account, used, worked=move.worked)

    async def _reserved(self, move: Move, account: Account) -> object:
        theirs = self.alive.get(move.parent, 0)
        hold = min(move.tokens, theirs) if self.thrifty and move.parent in self.alive else move.tokens
        self._passed_on(move.parent, hold)  # before others report for those above
        left = await self.budgets.reserve(account, {"tokens": hold, CALLS: move.calls}, {})
        self.alive[move.call] = hold
        self.parents[move.call] = move.parent
        self.admitted += 1
        return left

    def _passed_on(self, parent: str, hold: int) -> None:
        """Those above report that much less: the parent, or whoever has more left for what is below it."""
        for _ in range(len(self.parents) + 1):  # an id that is used again may stand above itself
            taken = min(hold, self.alive.get(parent, 0))
            if parent in self.alive:
                self.alive[parent] -= taken
            hold, parent = hold - taken, self.parents.get(parent, ROOT)

    async def used(self) -> Amounts:
        """What the whole tree uses."""
        return await self.budgets.settle(Account(self.name, self.name), {}, worked=True)

    def _id(self, call: str) -> str:
        return self.name if call == ROOT else f"{self.name}-{call}"


def drawn(random: Random, length: int = 40) -> Sequence[Move]:
    """Moves of at most eight calls, in any order, sensible or not."""
    names = [f"c{number}" for number in range(8)]
    return [
        Move(
            random.choice(("reserve", "reserve", "report", "settle")),
            random.choice(names),
            random.choice([ROOT, *names]),
            random.choice((0, 1, 10, 35, 60)),
            random.choice((0, 0, 0, 1, 2)),
            random.random() < 0.8,
        )
        for _ in range(length)
    ]

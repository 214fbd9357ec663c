"""Budgets in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from a2a_node.model.budget import CALLS, Account, Amounts
from a2a_node.model.errors import BudgetExhausted, CallIdTaken, StoreUnavailable
from a2a_node.testing.presence import Presence
from a2a_node.testing.registry import utc


@dataclass(slots=True, eq=False)
class _Call:
    """What is known of a call: what it and those below it use, and what was held back for it."""

    above: _Call | None = None
    hold: Amounts = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    below: int = 0  # calls that have not ended
    over: bool = False

    def takes(self, unit: str, more: int = 0) -> int:
        """What it takes of the one above it, or would if it used so much more."""
        return max(self.used[unit] + more, self.hold.get(unit, 0))

    def add(self, unit: str, amount: int) -> None:
        """Add to what it uses, and to what follows for those above."""
        before = self.takes(unit)
        self.used[unit] += amount
        if self.above is not None:
            self.above.add(unit, self.takes(unit) - before)

    def would(self, unit: str, amount: int) -> int:
        """What the root would use if this call used so much more."""
        if self.above is None:
            return self.used[unit] + amount
        return self.above.would(unit, self.takes(unit, amount) - self.takes(unit))

    def spare(self, unit: str) -> int:
        """What was held back for it and those above it and is not used."""
        return 0 if self.above is None else self.takes(unit) - self.used[unit] + self.above.spare(unit)


@dataclass(slots=True, eq=False)
class _Tree:
    """A budget: its limits, its end, and its calls by id."""

    limits: Amounts
    until: datetime
    calls: dict[str, _Call]

    def left(self, root: str, call: _Call) -> Amounts:
        """What a call could still use, by unit."""
        top = self.calls[root]
        return {unit: max(0, limit - top.used[unit] + call.spare(unit)) for unit, limit in self.limits.items()}

    def report(self, call: _Call, used: Amounts) -> None:
        """Count what a call has used."""
        for unit, amount in used.items():
            if unit in self.limits:
                call.add(unit, amount)


class MemoryBudgets(Presence):
    """The port `Budgets` on dictionaries. `lose()` makes it behave as if Redis were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("redis")
        self._clock = clock
        self._trees: dict[str, _Tree] = {}

    async def open(self, root: str, limits: Amounts, ttl: float) -> None:
        """Begin a tree; CallIdTaken."""
        if self._known(root) is not None:
            raise CallIdTaken(root)
        self._trees[root] = _Tree(dict(limits), self._clock() + timedelta(seconds=ttl), {root: _Call()})

    async def reserve(self, account: Account, hold: Amounts, used: Amounts) -> Amounts:
        """Admit a child call and hold back so much for it; BudgetExhausted, CallIdTaken."""
        tree = self._known(account.root)
        if tree is None:
            raise StoreUnavailable("redis")
        if account.call in tree.calls:
            raise CallIdTaken(account.call)
        root = tree.calls[account.root]
        parent = tree.calls.get(account.parent, root)
        tree.report(parent, used)
        needed = {unit: hold.get(unit, 0) + (unit == CALLS) for unit in tree.limits}
        for unit, limit in tree.limits.items():
            if parent.would(unit, max(needed[unit], 1)) > limit:
                raise BudgetExhausted(unit, limit, root.used[unit])
        for unit, amount in needed.items():
            parent.add(unit, amount)
        parent.below += 1
        call = tree.calls[account.call] = _Call(parent, {unit: hold.get(unit, 0) for unit in tree.limits})
        return tree.left(account.root, call)

    async def report(self, account: Account, used: Amounts) -> None:
        """Count what a call has used."""
        tree = self._known(account.root)
        if tree is not None:
            tree.report(tree.calls.get(account.call, tree.calls[account.root]), used)

    async def settle(self, account: Account, used: Amounts, *, worked: bool) -> Amounts:
        """End a call; what it used in all."""
        tree = self._known(account.root)
        if tree is None:
            return {}
        await self.report(account, used)
        call = tree.calls.get(account.call)
        answer = {unit: call.used[unit] if call else 0 for unit in tree.limits}
        if call is not None and call.above is not None and not call.over:
            _end(tree, call, worked=worked)
            _forget(tree, call)
        return answer

    def _known(self, root: str) -> _Tree | None:
        self.check()
        tree = self._trees.get(root)
        if tree is not None and tree.until <= self._clock():
            del self._trees[root]
            return None
        return tree


def _end(tree: _Tree, call: _Call, *, worked: bool) -> None:
    """Free what was held back and not used; a call that nobody worked for was none."""
    call.over = True
    above = call.above
    if above is None:
        return
    if not worked and CALLS in tree.limits:
        above.add(CALLS, -1)
    for unit in tree.limits:
        rest = call.used[unit] - call.takes(unit)
        call.hold = {**call.hold, unit: 0}
        above.add(unit, rest)


def _forget(tree: _Tree, call: _Call) -> None:
    """Let an account go that has ended with all below it, and those above it that only waited for that."""
    names = {id(known): known_name for known_name, known in tree.calls.items()}
    while call.above is not None and call.over and not call.below:
        del tree.calls[names[id(call)]]
        call.above.below -= 1
        call = call.above

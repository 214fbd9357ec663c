"""Budgets in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from a2a_node.model.budget import CALLS, Account, Amounts
from a2a_node.model.errors import BudgetExhausted, CallIdTaken, StoreUnavailable
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence

MOST_KEPT = 9 * 10**15  # of a unit that nothing bounds, as in Redis


@dataclass(slots=True, eq=False)
class _Call:
    """What is known of a call: what it and those below it use, and what was held back for it."""

    above: _Call | None = None
    hold: Amounts = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    below: int = 0  # calls that have not ended
    over: bool = False
    limits: dict[str, int] = field(default_factory=dict)  # of its own
    turn: int = 0  # the last in which it was given more

    def takes(self, unit: str, more: int = 0) -> int:
        """What it takes of the one above it, or would if it used so much more."""
        return max(self.used[unit] + more, self.hold.get(unit, 0))

    def add(self, unit: str, amount: int) -> None:
        """Add to what it uses, and to what follows for those above."""
        before = self.takes(unit)
        self.used[unit] += amount
        if self.above is not None:
            self.above.add(unit, self.takes(unit) - before)

    def beyond(self, unit: str, amount: int) -> tuple[int, int] | None:
        """The limit and the use that would not let it use so much more, the nearest on the way to the root."""
        limit = self.limits.get(unit)
        if limit is not None and self.used[unit] + amount > limit:
            return limit, self.used[unit]
        return None if self.above is None else self.above.beyond(unit, self.takes(unit, amount) - self.takes(unit))

    def left(self, unit: str, spare: int = 0) -> int:
        """What it and those below it could still use, where so much is spare below it."""
        own = self.limits.get(unit, MOST_KEPT) - self.used[unit] + spare
        if self.above is None:
            return max(0, own)
        return max(0, min(own, self.above.left(unit, spare + self.takes(unit) - self.used[unit])))


@dataclass(slots=True, eq=False)
class _Tree:
    """A budget: its limits, which are its root's, its end, and its calls by id."""

    limits: dict[str, int]
    until: datetime
    calls: dict[str, _Call]

    def left(self, call: _Call) -> Amounts:
        """What a call could still use, by unit."""
        return {unit: call.left(unit) for unit in self.limits}

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
        kept = dict(limits)
        self._trees[root] = _Tree(kept, self._clock() + timedelta(seconds=ttl), {root: _Call(limits=kept)})

    async def renew(self, root: str, account: str, limits: Amounts, ttl: float, turn: int) -> bool:
        """Let an account use so much more than it has used, of each turn once; whether it is known."""
        tree = self._known(root)
        call = None if tree is None else tree.calls.get(account)
        if tree is None or call is None:
            return False
        tree.until = max(tree.until, self._clock() + timedelta(seconds=ttl))
        if call.turn < turn:
            call.turn = turn
            more = {unit: call.used[unit] + amount for unit, amount in limits.items() if unit in call.limits}
            call.limits.update(more)
        return True

    async def enrol(self, account: Account, limits: Amounts, ttl: float) -> None:
        """Give a call an account, within limits of its own; CallIdTaken."""
        tree = self._tree(account)
        parent = tree.calls.get(account.parent, tree.calls[account.root])
        parent.below += 1
        tree.limits.update({unit: MOST_KEPT for unit in limits if unit not in tree.limits})
        tree.calls[account.call] = _Call(parent, limits=dict(limits))
        tree.until = max(tree.until, self._clock() + timedelta(seconds=ttl))

    async def reserve(self, account: Account, hold: Amounts, used: Amounts) -> Amounts:
        """Admit a child call and hold back so much for it; BudgetExhausted, CallIdTaken."""
        tree = self._tree(account)
        parent = tree.calls.get(account.parent, tree.calls[account.root])
        tree.report(parent, used)
        needed = {unit: hold.get(unit, 0) + (unit == CALLS) for unit in tree.limits}
        for unit in tree.limits:
            if met := parent.beyond(unit, max(needed[unit], 1)):
                raise BudgetExhausted(unit, *met)
        for unit, amount in needed.items():
            parent.add(unit, amount)
        parent.below += 1
        call = tree.calls[account.call] = _Call(parent, {unit: hold.get(unit, 0) for unit in tree.limits})
        return tree.left(call)

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

    def _tree(self, account: Account) -> _Tree:
        """The tree that a call is to have an account in; StoreUnavailable, CallIdTaken."""
        tree = self._known(account.root)
        if tree is None:
            raise StoreUnavailable("redis")
        if account.call in tree.calls:
            raise CallIdTaken(account.call)
        return tree

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

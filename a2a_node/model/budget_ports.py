"""What keeps the budgets of trees of calls, said as a Protocol."""

from __future__ import annotations

from typing import Protocol

from a2a_node.model.budget import Account, Amounts


class Budgets(Protocol):
    """What trees of calls may use and have used, by unit, kept under their root calls. Every method is one trip.

    An account uses what was reported of its own call and what the accounts below it use; what is reserved for a call
    counts as used until it is settled, by whoever; then the rest of it is free again. What a node did not settle counts
    until the tree's time is over. Nothing is reserved beyond a limit; reports count even then.
    """

    async def open(self, root: str, limits: Amounts, ttl: float) -> None:
        """Begin a tree with these limits, kept for `ttl` seconds; CallIdTaken when there is one."""

    async def renew(self, root: str, account: str, limits: Amounts, ttl: float, turn: int) -> bool:
        """Let an account use so much more than it has used, and its tree live for `ttl` seconds more at least.

        `account` is a call that was enrolled, or the root. Of each `turn`, which counts up, it is done once. False for
        what is not known any more: then nothing was done.
        """

    async def enrol(self, account: Account, limits: Amounts, ttl: float) -> None:
        """Give a call an account in a tree, which is kept for `ttl` seconds more at least, however soon its root ends.

        What is below it keeps within its `limits`, too; it counts as no call itself and never ends. CallIdTaken when
        it has an account, StoreUnavailable also for a tree that is not known any more.
        """

    async def reserve(self, account: Account, hold: Amounts, used: Amounts) -> Amounts:
        """Admit a child call and hold back so much for it; what its tree has left for it, by unit.

        `used` is what its parent has to report by now; it counts in any case. BudgetExhausted when a unit has nothing
        left or less than the hold, CallIdTaken for a call of the tree that has not ended, StoreUnavailable also for a
        tree that is not known any more.
        """

    async def report(self, account: Account, used: Amounts) -> None:
        """Count what a call has used."""

    async def settle(self, account: Account, used: Amounts, *, worked: bool) -> Amounts:
        """End a call: count what it has used, free what was held back and not used; all that it used, by unit.

        A child call that no agent `worked` for is no call of the tree. Settling again changes nothing but by `used`.
        """

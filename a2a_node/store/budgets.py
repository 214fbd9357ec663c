"""Budgets in Redis: one hash for each tree of calls, under its root's id, for as long as the tree may live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from a2a_node.model.budget import Account, Amounts
from a2a_node.model.errors import BudgetExhausted, CallIdTaken, StoreUnavailable
from a2a_node.store.encoding import milliseconds
from a2a_node.store.redis import Redis, script

OPEN = script("budget_open")
RENEW = script("budget", "budget_renew")
ENROL = script("budget", "budget_enrol")
RESERVE = script("budget", "budget_reserve")
SETTLE = script("budget", "budget_settle")


class RedisBudgets:
    """The port `Budgets` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def open(self, root: str, limits: Amounts, ttl: float) -> None:
        """Begin a tree; CallIdTaken."""
        if not await self._redis.run(OPEN, [_name(root)], milliseconds(ttl), *_listed(limits)[1:]):
            raise CallIdTaken(root)

    async def renew(self, root: str, account: str, limits: Amounts, ttl: float, turn: int) -> bool:
        """Let an account use so much more than it has used, of each turn once; whether it is known."""
        said = (root, account, milliseconds(ttl), turn, *_listed(limits))
        return bool(await self._redis.run(RENEW, [_name(root)], *said))

    async def enrol(self, account: Account, limits: Amounts, ttl: float) -> None:
        """Give a call that outlives the one above it an account, within limits of its own; CallIdTaken."""
        said = (account.root, account.parent, account.call, milliseconds(ttl), *_listed(limits))
        answer = await self._redis.run(ENROL, [_name(account.root)], *said)
        if answer is None:
            raise StoreUnavailable("redis")  # as with `reserve`
        if not answer:
            raise CallIdTaken(account.call)

    async def reserve(self, account: Account, hold: Amounts, used: Amounts) -> Amounts:
        """Admit a child call and hold back so much for it; BudgetExhausted, CallIdTaken."""
        said = (account.root, account.parent, account.call, *_listed(used), *_listed(hold))
        answer = cast("Sequence[bytes] | None", await self._redis.run(RESERVE, [_name(account.root)], *said))
        if not answer:
            raise StoreUnavailable("redis")  # it has lost the tree, and nobody knows what that has used
        if answer[0] == b"taken":
            raise CallIdTaken(account.call)
        if answer[0] == b"exhausted":
            raise BudgetExhausted(answer[1].decode(), int(answer[2]), int(answer[3]))
        return _amounts(answer[1:])

    async def report(self, account: Account, used: Amounts) -> None:
        """Count what a call has used."""
        await self._settled(account, used, 0, 1)

    async def settle(self, account: Account, used: Amounts, *, worked: bool) -> Amounts:
        """End a call; what it used in all."""
        return await self._settled(account, used, 1, int(worked))

    async def _settled(self, account: Account, used: Amounts, ended: int, worked: int) -> Amounts:
        said = (account.root, account.call, ended, worked, *_listed(used))
        return _amounts(cast("Sequence[bytes]", await self._redis.run(SETTLE, [_name(account.root)], *said)))


def _name(root: str) -> str:
    return f"a2a:budget:{{{root}}}"


def _listed(amounts: Amounts) -> list[str | int]:
    listed: list[str | int] = [len(amounts)]
    for unit, amount in amounts.items():
        listed += (unit, amount)
    return listed


def _amounts(said: Sequence[bytes]) -> Amounts:
    return {unit.decode(): int(amount) for unit, amount in zip(said[::2], said[1::2], strict=True)}

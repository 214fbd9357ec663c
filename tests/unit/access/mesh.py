"""A small mesh of grants in memory: a store, those who follow it, and everybody by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.access.decisions import Asked, Decisions, Facts, Standing
from a2a_node.access.following import Following, Habits
from a2a_node.access.granting import Giver, Granting
from a2a_node.access.issuing import Issuing
from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.mint import Mint
from a2a_node.access.secrecy import Secrecy
from a2a_node.access.uses import Uses
from a2a_node.model.errors import PermissionDenied
from a2a_node.model.grants import Grant, NewGrant
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.testing import Clock, MemoryGrants, MemoryKeys

DEV = Principal("person", "dev")
HABITS = Habits(first_wait=0.001, longest_wait=0.01, tick=0.001)
NOTHING = Facts({}, {})


@dataclass
class Mesh:
    """Who gives, who is asked, and where it is all kept."""

    store: MemoryGrants
    clock: Clock
    following: Following
    granting: Granting
    decisions: Decisions
    keys: MemoryKeys
    issuing: Issuing

    async def give(self, giver: str, to: str, permission: str, **terms: object) -> Grant:
        """One principal gives another a permission."""
        new = NewGrant(giver, to, permission, **terms)  # type: ignore[arg-type]
        return await self.granting.give(Giver(checked_principal("giver", giver)), new)

    async def revoke(self, giver: str, grant: str) -> int:
        """One principal takes a grant back; how many ended."""
        return (await self.granting.revoke(Giver(checked_principal("giver", giver)), grant))[1]

    def may(self, principal: str, permission: str, *acting_for: str) -> bool:
        """Whether somebody may do something, conditions aside."""
        try:
            return self.decisions.settled(asked(permission, *acting_for, principal)) is not None
        except PermissionDenied:
            return False

    async def decided(self, principal: str, permission: str, facts: Facts = NOTHING) -> Standing | None:
        """What it stands on, with conditions; None when it is refused."""
        try:
            return await self.decisions.decided(asked(permission, principal), facts)
        except PermissionDenied:
            return None


def asked(permission: str, *chain: str) -> Asked:
    """A question in the name of those."""
    return Asked(permission, tuple(checked_principal("chain", one) for one in chain))


@asynccontextmanager
async def meshed() -> AsyncIterator[Mesh]:
    """A mesh in which the developer holds everything, and nobody else anything."""
    clock = Clock()
    store, keys = MemoryGrants(clock), MemoryKeys(clock)
    roots = frozenset((DEV,))
    async with Following.grants_of(store, HABITS) as following:
        granting, decisions = Granting(store, following, roots), Decisions(following, Uses(store), roots)
        async with KnownKeyring.of_mesh(keys, HABITS) as keyring, Mint.opened(keys, keyring, Secrecy()) as mint:
            issuing = Issuing(keys, keyring, mint, roots, lambda agent: "person:ann" if agent == "helper" else "")
            yield Mesh(store, clock, following, granting, decisions, keys, issuing)

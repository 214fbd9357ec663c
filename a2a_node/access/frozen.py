"""What is frozen in the mesh, as this node knows it: looked up on every call, in memory."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Protocol, Self

from a2a_node.mesh.followed import DEFAULT, Followed, Habits
from a2a_node.model.envelope import Envelope
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.freezes import Freeze, FreezeChanges, FreezeKind
from a2a_node.model.principal import Principal

HABITS = replace(DEFAULT, reread=2.0)  # for a stop must not wait long for the next look when word of it was lost


class Asked(Protocol):
    """A call, or what remains of one: what was asked, and in whose name."""

    @property
    def agent(self) -> str:
        """The agent."""

    @property
    def principal(self) -> Principal:
        """Who asked."""

    @property
    def envelope(self) -> Envelope | None:
        """What travels with it."""


class FreezeBook:
    """The freezes that hold, by what they stop."""

    def __init__(self) -> None:
        self.revision = 0
        self._freezes: dict[str, Freeze] = {}
        self._by_target: dict[tuple[FreezeKind, str], Freeze] = {}
        self._ends: list[tuple[datetime, str]] = []

    def __len__(self) -> int:
        return len(self._freezes)

    def __iter__(self) -> Iterator[Freeze]:
        return iter([*self._freezes.values()])

    def replace(self, everything: FreezeChanges) -> None:
        """Begin again with all that holds."""
        self._freezes, self._by_target, self._ends = {}, {}, []
        self.take(everything)

    def take(self, changes: FreezeChanges) -> None:
        """Take in what changed."""
        for freeze in changes.freezes:
            self._remove(freeze.id)
            if freeze.holds(changes.now):
                self._freezes[freeze.id] = freeze
                self._by_target[freeze.target.kind, freeze.target.name] = freeze
                if freeze.expires_at is not None:
                    heapq.heappush(self._ends, (freeze.expires_at, freeze.id))
        self.revision = changes.revision

    def expire(self, now: datetime) -> bool:
        """Let go of what is over; whether there was anything."""
        over = False
        while self._ends and self._ends[0][0] <= now:
            _, freeze_id = heapq.heappop(self._ends)
            over = self._remove(freeze_id) or over
        return over

    def of(self, call: Asked) -> Freeze | None:
        """What stops a call: its agent, its tree, or anybody in whose name it is made."""
        if not self._freezes:
            return None
        return next((freeze for target in _targets(call) if (freeze := self._by_target.get(target))), None)

    def _remove(self, freeze_id: str) -> bool:
        freeze = self._freezes.pop(freeze_id, None)
        if freeze is None:
            return False
        target = freeze.target.kind, freeze.target.name
        if self._by_target.get(target) is freeze:
            del self._by_target[target]
        return True


class Freezing(Followed[FreezeChanges]):
    """A book of freezes that is kept up to date; made by `freezes_of`."""

    what = "freezes"
    book: FreezeBook

    @classmethod
    @asynccontextmanager
    async def freezes_of(cls, store: Freezes, habits: Habits = HABITS) -> AsyncIterator[Self]:
        """Follow the freezes until the block ends; StoreUnavailable when the first look at them fails."""
        async with cls(store, FreezeBook(), habits).following() as following:
            yield following


def _targets(call: Asked) -> Iterator[tuple[FreezeKind, str]]:
    if call.agent:
        yield FreezeKind.AGENT, call.agent
    envelope = call.envelope
    if envelope is not None:
        yield FreezeKind.CALL, envelope.root
    for principal in (call.principal, *(envelope.authority if envelope else ())):
        yield FreezeKind.PRINCIPAL, str(principal)
        if principal.kind == "agent":
            yield FreezeKind.AGENT, principal.name

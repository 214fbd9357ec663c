"""Ids of calls that their clients have chosen: what is noted of them, so that it is known which node had the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChosenId:
    """An id that a client has chosen for a call."""

    id: str
    made: str  # an id that the call's node has made in its place, which names that node
    principal: str  # who began the call
    agent: str


class ChosenIds(Protocol):
    """Notes of calls; StoreUnavailable when their store is away."""

    async def note(self, chosen: Sequence[tuple[ChosenId, float]]) -> None:
        """Keep each for so many seconds, in one trip, in place of what the same principal had noted of that id.

        An id that somebody else has begun a call with stays theirs: whoever began a call may ask for it and cancel it.
        """

    async def find(self, call_id: str) -> ChosenId | None:
        """What is noted of a call; None when nothing is, or nothing any more."""

"""Freezes: an agent, a principal or a call tree that is stopped in the whole mesh, and how far each node is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

NAMED = 20  # calls that a node names of those which it has not confirmed


class FreezeKind(StrEnum):
    """What is frozen."""

    AGENT = "agent"  # it is not called, and calls nobody
    PRINCIPAL = "principal"  # nothing is done in its name
    CALL = "call"  # the tree that began with this call: no call of it runs on, none is added


@dataclass(frozen=True, slots=True)
class FreezeTarget:
    """Whom or what a freeze stops: by the agent's name, the principal as it is written, or the root call's id."""

    kind: FreezeKind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is FreezeKind.PRINCIPAL else f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class NewFreeze:
    """What is asked for; the ttl in seconds, None until it is lifted."""

    target: FreezeTarget
    reason: str
    created_by: str
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze; moments are the store's."""

    id: str
    target: FreezeTarget
    reason: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None = None
    lifted_by: str = ""
    lifted_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it stops anything."""
        return self.lifted_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A call that was told to stop and whose agent is not known to have stopped."""

    call: str
    agent: str
    instance: str = ""  # empty when none had been picked yet
    lost: bool = False  # nobody will say any more: its stream broke, or its endpoint does not tell


@dataclass(frozen=True, slots=True)
class Progress:
    """What a node has confirmed of a freeze: that it refuses new calls, and how many running ones are over."""

    freeze: str
    node: str
    stopped: int = 0  # calls whose work is known to be over
    stopping: int = 0  # calls that were told to stop, of which that is not known
    unconfirmed: tuple[Unconfirmed, ...] = ()  # the first NAMED of these


@dataclass(frozen=True, slots=True)
class FreezeChanges:
    """Freezes as of one revision: all that hold, or those that changed after another one, lifted ones among them."""

    revision: int
    now: datetime
    freezes: Sequence[Freeze]

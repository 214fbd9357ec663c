"""The freezes of the mesh that commands talk to in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from a2a_node.client.freezes import FreezeState, NodeProgress
from a2a_node.model.freezes import Freeze, FreezeKind, FreezeTarget, Unconfirmed

THEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
FREEZE = Freeze("f1", FreezeTarget(FreezeKind.AGENT, "greeter"), "it runs wild", "person:dev", THEN)
UNCONFIRMED = (Unconfirmed("c1", "greeter", "i1"), Unconfirmed("c2", "greeter", lost=True))
STATE = FreezeState(
    FREEZE,
    (
        NodeProgress("node-1", enforced=True, stopped=2, stopping=2, unconfirmed=UNCONFIRMED),
        NodeProgress("node-2", enforced=False, stopped=0, stopping=0),
    ),
)


@dataclass
class Freezes:
    """One freeze."""

    asked: dict[str, object] = field(default_factory=dict)

    async def freeze(self, what: str, reason: str, **how: object) -> FreezeState:
        """The freeze."""
        self.asked = {"what": what, "reason": reason, **how}
        return STATE

    async def unfreeze(self, freeze_id: str) -> FreezeState:
        """The freeze."""
        self.asked = {"freeze_id": freeze_id}
        return STATE

    async def list(self, what: str = "", *, include_lifted: bool = False) -> AsyncIterator[FreezeState]:
        """The freeze, whatever is asked for."""
        self.asked = {"what": what, "include_lifted": include_lifted}
        yield STATE

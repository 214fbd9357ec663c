"""What keeps the audit, as a port.

Every method raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from a2a_node.model.audit import AuditEvent, AuditFilter, ChainHead, Fact, Span


class AuditLog(Protocol):
    """The truth about what happened: events, in one chain for each node, that are only ever appended.

    Each has a position as well: positions grow by one, in the order of writing, over the chains of all nodes.
    """

    async def append(self, node_id: str, facts: Sequence[Fact]) -> Sequence[AuditEvent]:
        """Keep facts at the end of a node's chain, all or none; those that are kept already are left out."""

    async def list(self, wanted: AuditFilter, span: Span, before: int | None, limit: int) -> Sequence[AuditEvent]:
        """Events that fit, the newest first, those before a position."""

    async def after(self, position: int, limit: int) -> Sequence[AuditEvent]:
        """Events after a position, in the order of writing, each with how many are missing before it in its chain."""

    async def position(self) -> int:
        """The position of the newest event; 0 where there is none."""

    async def heads(self, node_id: str = "") -> Sequence[ChainHead]:
        """The ends of all chains, or of one, by the names of their nodes."""

    async def chain(self, node_id: str, after: int, limit: int) -> Sequence[AuditEvent]:
        """Events of a chain after a sequence, the oldest first."""

    async def anchor(self, node_id: str, before: datetime) -> AuditEvent | None:
        """The last event of a chain before a time; None when there is none."""

    def positions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of positions that are committed after the block began, as of revisions of the registry."""

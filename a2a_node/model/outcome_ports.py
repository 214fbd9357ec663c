"""What keeps the outcomes of calls under their keys, as a port.

Every method raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from a2a_node.model.state import Outcome


class Claim(Protocol):
    """The right to work under a key, or the outcome of whoever did the work before."""

    @property
    def outcome(self) -> Outcome | None:
        """What was kept; None when the work is this caller's."""

    async def settle(self, outcome: Outcome, ttl: float) -> None:
        """Keep the outcome for `ttl` seconds and wake whoever waits.

        StoreUnavailable when the right was lost meanwhile: another one may work, or have another outcome.
        """


class Outcomes(Protocol):
    """Outcomes that are kept under a key, with at most one worker for each key at a time, mesh-wide."""

    def claim(
        self, key: str, digest: str, wait: float, *, exclusive: bool = True
    ) -> AbstractAsyncContextManager[Claim]:
        """Win the right to work, or wait up to `wait` seconds for the outcome of who has it.

        IdempotencyKeyReused when the key is kept with another digest; DeadlineExceeded when the wait was too short.
        Leaving the block without settling gives the right back. A worker that dies loses it when its lease (30 s,
        renewed inside the block) is over. An exclusive worker whose lease could not be renewed is stopped with
        StoreUnavailable before another may win; one that is not exclusive works on.
        """

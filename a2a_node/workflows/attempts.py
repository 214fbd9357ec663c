"""Trying: how often the work of a step is begun again, after which failures, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf

from a2a_node.model.errors import (
    DeadlineExceeded,
    MeshError,
    NodeDraining,
    NodeUnreachable,
    RateLimited,
    StoreUnavailable,
)
from a2a_node.model.workflows import Retry

LONGEST = 3_600.0  # seconds between two attempts
NOT_BEGUN = (NodeDraining, NodeUnreachable, StoreUnavailable)  # by nobody's fault but the mesh's, which soon mends
PATIENCE, PAUSE = 60.0, 0.5  # seconds that such failures are waited out, and between two looks
QUEUE, LONGEST_QUEUE = (
    0.1,
    10.0,
)  # seconds between two tries of a call that came too fast, doubled each time, and at most


@dataclass(slots=True)
class Tries:
    """What has come of a step's attempts so far, in the group that it is in."""

    failed: int = 0
    refused: int = 0  # of these by an answer that the mesh would give again under the same key

    def failure(self, error: MeshError) -> None:
        """Count one."""
        self.failed += 1
        self.refused += kept_by_mesh(error)


def kept_by_mesh(error: MeshError) -> bool:
    """Whether the mesh answers so to every call with the same key."""
    return not error.retryable and error.code not in ("CANCELLED", "DEADLINE_EXCEEDED")


def worth(retry: Retry, error: MeshError) -> bool:
    """Whether another attempt may end otherwise: by the reasons that are named, or as the failure itself says."""
    if retry.reasons:
        return error.reason in retry.reasons
    return error.retryable or error.code == "DEADLINE_EXCEEDED"


def pause(retry: Retry, failed: int, jitter: float) -> float:
    """Seconds until the next attempt: `backoff`, doubled with each failure, and up to half of it less."""
    return float(min(retry.backoff * 2.0 ** min(failed - 1, 20), LONGEST) * (1 - jitter / 2))


async def tried(
    retry: Retry, tries: Tries, attempt: Callable[[], Awaitable[object]], jitter: Callable[[], float]
) -> object:
    """What an attempt makes, the first or a later one; the last failure when there is no other attempt."""
    while True:
        try:
            return await attempt()
        except MeshError as error:
            tries.failure(error)
            if tries.failed >= retry.attempts or not worth(retry, error):
                raise
            await asyncio.sleep(max(pause(retry, tries.failed, jitter()), error.retry_after or 0.0))


async def admitted(
    seconds: float, agent: str, call: Callable[[], Awaitable[object]], jitter: Callable[[], float]
) -> object:
    """What a call of an agent makes, once its limit lets the call begin; RateLimited where that takes too long.

    A call that its limit refuses was never begun. What the agent itself was refused meanwhile is a failure of its work.
    """
    loop = asyncio.get_running_loop()
    until, refused = loop.time() + seconds, 0
    while True:
        try:
            return await call()
        except RateLimited as refusal:
            pause = max(refusal.retry_after or 0.0, min(QUEUE * 2.0**refused, LONGEST_QUEUE) * (1 - jitter() / 2))
            if not refusal.retryable or not _is_of(refusal, agent) or loop.time() + pause > until:
                raise
        refused = min(refused + 1, 20)
        await asyncio.sleep(pause)


def _is_of(refusal: RateLimited, agent: str) -> bool:
    """Whether the call was refused itself, and no other one that it made."""
    called = refusal.variables.get("called", "")
    return called == agent or called.startswith(f"{agent}.")


async def within(seconds: float, work: Callable[[], Awaitable[object]]) -> object:
    """What it makes in time; DeadlineExceeded, and whatever it answers afterwards is not taken."""
    try:
        async with asyncio.timeout(None if seconds == inf else max(seconds, 0.0)):
            return await _begun(work)
    except TimeoutError:
        raise DeadlineExceeded(seconds) from None


async def _begun(work: Callable[[], Awaitable[object]]) -> object:
    """The same, while the mesh cannot begin it now and soon can."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while True:
        try:
            return await work()
        except NOT_BEGUN:
            if loop.time() > until:
                raise
        await asyncio.sleep(PAUSE)

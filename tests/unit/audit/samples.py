"""Facts for tests, and waiting for what is written of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from a2a_node.model.audit import AuditDecision, AuditOutcome, Fact


def fact(target: str = "session:s-1") -> Fact:
    """Somebody has made something."""
    return Fact("session:create", target=target, user_id="person:ann")


def refusal(target: str = "agent:echo:say", address: str = "10.0.0.1") -> Fact:
    """Somebody unknown was refused."""
    return Fact(
        "agent:invoke",
        AuditDecision.REFUSED,
        AuditOutcome.REFUSED,
        "UNAUTHENTICATED",
        target=target,
        ip_address=address,
        call_id="c-1",
    )


async def until(true: Callable[[], bool]) -> None:
    """Let others go on until something holds."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - whatever it is, it need not tell
            await asyncio.sleep(0)

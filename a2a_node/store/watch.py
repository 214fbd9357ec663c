"""Which stores answer, asked every few seconds and told to whoever reports it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.background import beside

log = structlog.get_logger()
Ping = Callable[[], Awaitable[None]]
Told = Callable[[frozenset[str]], Awaitable[None]]


@asynccontextmanager
async def watching(pings: Mapping[str, Ping], told: Told, every: float = 2.0) -> AsyncIterator[None]:
    """Ask each store every `every` seconds; `told` hears the names of those away, first at once and then on change."""
    away = await _away(pings)
    await told(away)

    async def watch(known: frozenset[str]) -> None:
        while True:
            await asyncio.sleep(every)
            now = await _away(pings)
            if now != known:
                log.warning("stores changed", away=sorted(now), back=sorted(known - now))
                known = now
                await told(known)

    async with beside(watch(away)):
        yield


async def _away(pings: Mapping[str, Ping]) -> frozenset[str]:
    answers = await asyncio.gather(*(_answers(ping) for ping in pings.values()))
    return frozenset(name for name, answers_now in zip(pings, answers, strict=True) if not answers_now)


async def _answers(ping: Ping) -> bool:
    try:
        await ping()
    except StoreUnavailable:
        return False
    return True

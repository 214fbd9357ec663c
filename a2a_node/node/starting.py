"""A node that starts waits a while for its stores, as a running one does: they may start, too, or be busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import TypeVar

import structlog

from a2a_node.model.errors import SettingInvalid, StoreUnavailable
from a2a_node.store import tls

PATIENCE = 10.0  # seconds from the first failure to the last try
PAUSE = 0.25  # seconds between two

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
T = TypeVar("T")


@asynccontextmanager
async def patiently(
    build: Callable[[], AbstractAsyncContextManager[T]], *, patience: float = PATIENCE, pause: float = PAUSE
) -> AsyncIterator[T]:
    """What `build` gives, until the block ends; again while a store is away, StoreUnavailable if it stays so.

    SettingInvalid at once when TLS is what is wrong: time does not mend that.
    """
    last: float | None = None
    async with AsyncExitStack() as house:
        while True:
            try:
                built = await house.enter_async_context(build())
                break
            except StoreUnavailable as failure:
                if problem := tls.fault(failure):
                    raise SettingInvalid(f"{failure.variables['store']}_url", problem) from None
                last = monotonic() + patience if last is None else last
                if monotonic() >= last:
                    raise
                log.warning(
                    "waiting for a store", store=failure.variables["store"], seconds=round(last - monotonic(), 1)
                )
                await asyncio.sleep(pause)
        yield built

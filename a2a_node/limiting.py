"""`rate_limited`: the mesh's limits around any async function of an application, exact over all its processes.

    limits = Limits("redis://localhost:6379/0")

    @rate_limited("50/s burst 100", limits, key=lambda user, text: user)
    async def send(user: str, text: str) -> None: ...

    async with limits:
        await send("ada", "hello")  # or RateLimited, whose `retry_after` says when

It is the same algorithm on the same script as a node's: calls are decided in memory from leases, and by each process's
own share while Redis is away. A process that has never reached Redis lets nothing through.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import wraps
from typing import ParamSpec, Self, TypeVar

from a2a_node.limits.limiter import Limiter, limiting
from a2a_node.model.errors import RateLimited
from a2a_node.model.limits import LimitKey, written_rate
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.redis import connected

__all__ = ["Limits", "RateLimited", "rate_limited"]

P = ParamSpec("P")
T = TypeVar("T")


class Limits:
    """Where an application's buckets are; open it, once, with `async with` around all that is limited.

    `group` keeps the buckets of one application apart from those of all others, and of the mesh.
    """

    def __init__(self, redis_url: str, group: str = "application") -> None:
        self._redis_url = redis_url
        self._group = group
        self._house = AsyncExitStack()
        self._limiter: Limiter | None = None

    async def __aenter__(self) -> Self:
        if self._limiter is not None:
            raise RuntimeError("these limits are open already: open them once, around all that is limited")
        redis = await self._house.enter_async_context(connected(self._redis_url))
        holder = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        buckets = RedisBuckets(redis, f"group {self._group}")
        self._limiter = await self._house.enter_async_context(limiting(buckets, holder, lambda: 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._limiter = None
        await self._house.aclose()

    def limiter(self) -> Limiter:
        """The limiter, while it is open; RuntimeError says how to open it."""
        if self._limiter is None:
            raise RuntimeError("open the limits first: `async with limits:` around all that is limited")
        return self._limiter


def rate_limited(
    limit: str, limits: Limits, *, key: Callable[..., str] | None = None, name: str = "", cost: int = 1
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Let an async function be called no faster than `limit`, such as "50/s burst 100"; RateLimited otherwise.

    `key` makes a text of the arguments: each has a bucket of its own; absent means one for all. `name` is the bucket's,
    the function's own when absent; `cost` the tokens of one call. InvalidInput for a limit that is none.
    """
    rate = written_rate("limit", limit, cost)

    def limited(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        called = name or f"{function.__module__}.{getattr(function, '__qualname__', 'call')}"

        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            caller = key(*args, **kwargs) if key is not None else "everybody"
            await limits.limiter().take(LimitKey(caller, called), rate, cost)
            return await function(*args, **kwargs)

        return run

    return limited

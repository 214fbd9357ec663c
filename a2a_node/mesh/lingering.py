"""Work that outlives its call: nobody waits for it any more, it was told to stop, and its agent may still be at it.

Whether it has stopped is known by the agent's own word alone: an attached agent says so over its stream, an endpoint
when it is asked. A broken stream or connection proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain

from a2a_node.model.agents import Instance
from a2a_node.model.call import Call

MOST = 4096  # calls whose works are remembered; beyond them the oldest are forgotten
Ask = Callable[[], Awaitable[bool]]


class Remains:
    """What is left of a call at its agent, and whose it was."""

    __slots__ = ("_ask", "_news", "agent", "envelope", "id", "instance", "over", "principal")

    def __init__(self, call: Call, instance: Instance, ask: Ask | None = None) -> None:
        """`ask` learns whether the work is over once somebody wants to know; without it the agent says so unasked."""
        self.id, self.agent, self.principal, self.envelope = call.id, call.agent, call.principal, call.envelope
        self.instance = instance
        self._ask = ask
        self._news = asyncio.Event()
        self.over = False  # is known

    def settle(self, *, over: bool) -> None:
        """The work is over, or nobody will ever say so; the first word counts."""
        if not self._news.is_set():
            self.over = over
            self._news.set()

    async def heard(self) -> bool:
        """Wait until the work is over; False as soon as nobody will ever say so."""
        if self._ask is not None and not self._news.is_set():
            self.settle(over=await self._ask())
        await self._news.wait()
        return self.over


class Lingering:
    """All such work of this node's agents."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._remains: dict[str, list[Remains]] = {}  # by the ids of the calls, the oldest first
        self._followed: dict[str, list[Remains]] = {}

    def __iter__(self) -> Iterator[Remains]:
        return chain.from_iterable([*self._remains.values()])

    def __len__(self) -> int:
        return len(self._remains)

    def add(self, call: Call, instance: Instance, ask: Ask | None = None) -> Remains:
        """Note that an agent was told to stop; whoever hears of its end settles what remains."""
        remains = Remains(call, instance, ask)
        self._remains.setdefault(call.id, []).append(remains)
        if len(self._remains) > self._most:
            del self._remains[next(iter(self._remains))]
        if call.id in self._followed:
            self._followed[call.id].append(remains)
        return remains

    def settle(self, remains: Remains, *, over: bool) -> None:
        """The work is over, or nobody will ever say so: it is remembered no longer."""
        remains.settle(over=over)
        works = self._remains.get(remains.id, [])
        if remains in works:
            works.remove(remains)
            if not works:
                del self._remains[remains.id]

    async def over(self, remains: Remains) -> bool:
        """Wait until the work is over; False as soon as nobody will ever say so."""
        over = await remains.heard()
        self.settle(remains, over=over)
        return over

    def of(self, call_id: str) -> Sequence[Remains]:
        """What remains of a call."""
        return tuple(self._remains.get(call_id, ()))

    def follow(self, call_id: str) -> list[Remains]:
        """What remains of a call now, and all that will until it is followed no more, however much else does."""
        return self._followed.setdefault(call_id, [*self.of(call_id)])

    def unfollow(self, call_id: str) -> None:
        """Nothing more will remain of that call."""
        self._followed.pop(call_id, None)

"""The kill switch at one node: what is frozen is refused, what runs is stopped, and only what is over is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from a2a_node.access.frozen import FreezeBook, Freezing
from a2a_node.mesh.background import background
from a2a_node.mesh.calls import Calls
from a2a_node.model.agents import InstanceKind
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import Frozen, InternalError, StoreUnavailable
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.freezes import Freeze, Progress
from a2a_node.model.principal import Principal

UNFREEZING = ("/a2amesh.v1.AccessService/Unfreeze", "/a2amesh.v1.AccessService/ListFreezes")
AGAIN = 0.5  # seconds before the store, which was away, is told again


@dataclass(slots=True)
class _Count:
    """The calls of a freeze at this node."""

    stopped: int = 0
    stopping: set[str] = field(default_factory=set)  # ids of calls


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream that calls no agent, and the freeze that ends it."""

    call: Call
    task: asyncio.Task[object]
    frozen: Frozen | None = None


class Stopping:
    """Refuses what is frozen and stops what runs; made by `enforcing`."""

    def __init__(
        self, freezing: Freezing, store: Freezes, calls: Calls, node: tuple[str, frozenset[Principal]]
    ) -> None:
        self.node_id, self._roots = node
        self._book: FreezeBook = freezing.book
        self._store, self._calls = store, calls
        self._counts: dict[str, _Count] = {}
        self._unconfirmed: set[str] = set()
        self._news = asyncio.Event()
        self._streams: set[_Stream] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        freezing.listen(self.enforce)

    @classmethod
    @asynccontextmanager
    async def enforcing(
        cls, freezing: Freezing, store: Freezes, calls: Calls, node: tuple[str, frozenset[Principal]]
    ) -> AsyncIterator[Self]:
        """Enforce freezes until the block ends; `node` is the node's id and those who can always lift a freeze."""
        stopping = cls(freezing, store, calls, node)
        stopping.enforce()
        try:
            async with background(stopping.confirm):
                yield stopping
        finally:
            stopping.end()

    def end(self) -> None:
        """Wait for no call any more."""
        for task in self._waiting:
            task.cancel()

    async def check(self, call: Call, proceed: Proceed) -> None:
        """The layer: Frozen for what is frozen, now or while it runs."""
        self._refuse(call)
        if call.endless:
            await self._guarded(call, proceed)
        else:
            await proceed(call)

    async def check_again(self, call: Call, proceed: Proceed) -> None:
        """The layer around an agent's work: what was frozen on the way here was told to no running call yet."""
        self._refuse(call)
        await proceed(call)

    def enforce(self) -> None:
        """The freezes have changed: stop what is frozen now."""
        held = {freeze.id: freeze for freeze in self._book}
        for freeze_id in held.keys() - self._counts.keys():
            self._counts[freeze_id] = _Count()
            self._tell(freeze_id)
        for freeze_id in self._counts.keys() - held.keys():
            del self._counts[freeze_id]
        for call in self._calls.calls():
            self._stop(call)
        for stream in self._streams:
            freeze = self._book.of(stream.call)
            if freeze is not None and stream.frozen is None:
                stream.frozen = frozen_by(freeze)
                stream.task.cancel()

    async def confirm(self) -> None:
        """Tell the store what is confirmed, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            told, self._unconfirmed = self._unconfirmed, set()
            try:
                await self._store.confirm([self._progress(one) for one in told if one in self._counts])
            except StoreUnavailable:
                self._unconfirmed |= told
                await asyncio.sleep(AGAIN)
                self._news.set()

    def _refuse(self, call: Call) -> None:
        freeze = self._book.of(call)
        if freeze is None or (call.method in UNFREEZING and call.principal in self._roots):
            return
        raise frozen_by(freeze)

    async def _guarded(self, call: Call, proceed: Proceed) -> None:
        task = asyncio.current_task()
        if task is None:
            raise InternalError
        stream, cancelling = _Stream(call, task), task.cancelling()
        self._streams.add(stream)
        try:
            await proceed(call)
        except asyncio.CancelledError:
            if stream.frozen is None or task.uncancel() > cancelling:
                raise  # somebody else wants it to end, too
            raise stream.frozen from None
        finally:
            self._streams.discard(stream)

    def _stop(self, call: Call) -> None:
        """Stop a running call that is frozen; it counts where its agent works, and once."""
        freeze = self._book.of(call)
        if freeze is None or call.id in self._counts[freeze.id].stopping:
            return
        self._calls.stop(call.id, frozen_by(freeze))
        if call.instance is None or call.instance.node == self.node_id:
            self._counts[freeze.id].stopping.add(call.id)
            self._tell(freeze.id)
            task = asyncio.create_task(self._over(freeze.id, call))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _over(self, freeze_id: str, call: Call) -> None:
        """Count a call as stopped once that is known: of an agent in another process nobody knows it but that one."""
        await self._calls.over(call.id)
        count = self._counts.get(freeze_id)
        if count is not None and (call.instance is None or call.instance.kind is InstanceKind.HOSTED):
            count.stopping.discard(call.id)
            count.stopped += 1
            self._tell(freeze_id)

    def _tell(self, freeze_id: str) -> None:
        self._unconfirmed.add(freeze_id)
        self._news.set()

    def _progress(self, freeze_id: str) -> Progress:
        count = self._counts[freeze_id]
        return Progress(freeze_id, self.node_id, count.stopped, len(count.stopping))


def frozen_by(freeze: Freeze) -> Frozen:
    """The failure of what that freeze stops."""
    return Frozen(str(freeze.target), freeze.reason, freeze.id)

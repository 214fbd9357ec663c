"""The kill switch at one node: what is frozen is refused, what runs is stopped, and only what is over is confirmed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from time import monotonic
from typing import Self

from a2a_node.access.frozen import FreezeBook, Freezing
from a2a_node.mesh.background import background
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.lingering import Lingering, Remains
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import Frozen, InternalError, StoreUnavailable
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.freezes import NAMED, Freeze, Progress, Unconfirmed
from a2a_node.model.principal import Principal

UNFREEZING = ("/a2amesh.v1.AccessService/Unfreeze", "/a2amesh.v1.AccessService/ListFreezes")
AGAIN = 0.5  # seconds before the store, which was away, is told again
LATELY = 1.0  # seconds before a freeze comes here in which ended calls count: another node may have heard first
ENDED = 1024  # such calls


@dataclass(slots=True)
class _Count:
    """The calls of a freeze at this node."""

    stopped: int = 0
    stopping: dict[str, Unconfirmed] = field(default_factory=dict)  # by the ids of the calls
    waiting: set[asyncio.Task[None]] = field(default_factory=set)  # each for the end of one of them


@dataclass(frozen=True, slots=True)
class _Ended:
    """A call that was cancelled or stopped elsewhere, when, and what remained of it then."""

    since: float
    call: Remains
    works: Sequence[Remains]


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream that calls no agent, and the freeze that ends it."""

    call: Call
    task: asyncio.Task[object]
    frozen: Frozen | None = None


class Stopping:
    """Refuses what is frozen and stops what runs; made by `enforcing`."""

    def __init__(
        self,
        freezing: Freezing,
        store: Freezes,
        work: tuple[Calls, Lingering],
        node: tuple[str, frozenset[Principal]],
    ) -> None:
        self.node_id, self._roots = node
        self._book: FreezeBook = freezing.book
        self._store = store
        self._calls, self._lingering = work
        self._counts: dict[str, _Count] = {}
        self._unconfirmed: set[str] = set()
        self._news = asyncio.Event()
        self._streams: set[_Stream] = set()
        self._ended: deque[_Ended] = deque(maxlen=ENDED)
        freezing.listen(self.enforce)

    @classmethod
    @asynccontextmanager
    async def enforcing(
        cls,
        freezing: Freezing,
        store: Freezes,
        work: tuple[Calls, Lingering],
        node: tuple[str, frozenset[Principal]],
    ) -> AsyncIterator[Self]:
        """Enforce freezes until the block ends.

        `work` is the calls and what lingers of them; `node`, the node's id and those who can always lift a freeze.
        """
        stopping = cls(freezing, store, work, node)
        stopping.enforce()
        try:
            async with background(stopping.confirm):
                yield stopping
        finally:
            stopping.end()

    def end(self) -> None:
        """Wait for no call any more."""
        for count in self._counts.values():
            _end(count)

    def check(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """The layer: Frozen for what is frozen, now or while it runs."""
        self._refuse(call)
        return self._guarded(call, proceed) if call.endless else proceed(call)

    async def check_again(self, call: Call, proceed: Proceed) -> None:
        """The layer around an agent's work: what was frozen on the way here was told to no running call yet."""
        self._refuse(call)
        try:
            await proceed(call)
        except (asyncio.CancelledError, Frozen):  # or part of it was stopped elsewhere, which ended it
            if call.begun and call.instance is not None and call.instance.node == self.node_id:
                self._ended.append(_Ended(monotonic(), Remains(call, call.instance), self._lingering.of(call.id)))
            raise

    def enforce(self) -> None:
        """The freezes have changed: stop what is frozen now."""
        held = {freeze.id for freeze in self._book}
        new = held - self._counts.keys()
        for freeze_id in self._counts.keys() - held:
            _end(self._counts.pop(freeze_id))
        for freeze_id in new:
            self._counts[freeze_id] = _Count()
            self._tell(freeze_id)
        for call in self._calls.calls():
            self._stop(call)
        if new:
            self._count_what_was_cancelled_before(new)
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
        instance = call.instance
        if instance is None or instance.node == self.node_id:
            stops = Unconfirmed(call.id, call.agent, "" if instance is None else instance.id)
            self._wait(freeze.id, stops, self._lingering.follow(call.id))

    def _count_what_was_cancelled_before(self, new: set[str]) -> None:
        """What lingers of frozen calls is stopping, too; and what ended just now was stopped by who heard first."""
        for remains in self._lingering:
            freeze = self._book.of(remains)
            if freeze is not None and freeze.id in new and remains.id not in self._counts[freeze.id].stopping:
                stops = Unconfirmed(remains.id, remains.agent, remains.instance.id)
                self._wait(freeze.id, stops, self._lingering.follow(remains.id))
        for ended in self._ended:
            freeze = self._book.of(ended.call) if ended.since >= monotonic() - LATELY else None
            if freeze is not None and freeze.id in new and all(work.over for work in ended.works):
                self._counts[freeze.id].stopped += 1

    def _wait(self, freeze_id: str, stops: Unconfirmed, remains: list[Remains]) -> None:
        count = self._counts[freeze_id]
        count.stopping[stops.call] = stops
        self._tell(freeze_id)
        task = asyncio.create_task(self._over(freeze_id, stops, remains))
        count.waiting.add(task)
        task.add_done_callback(count.waiting.discard)

    async def _over(self, freeze_id: str, stops: Unconfirmed, remains: list[Remains]) -> None:
        """Count a call as stopped once it and all work on it are over, as the agent itself says."""
        await self._calls.over(stops.call)
        self._lingering.unfollow(stops.call)
        over = [await self._lingering.over(one) for one in remains]
        count = self._counts[freeze_id]
        if all(over):
            del count.stopping[stops.call]
            count.stopped += 1
        else:
            count.stopping[stops.call] = replace(stops, lost=True)
        self._tell(freeze_id)

    def _tell(self, freeze_id: str) -> None:
        self._unconfirmed.add(freeze_id)
        self._news.set()

    def _progress(self, freeze_id: str) -> Progress:
        count = self._counts[freeze_id]
        named = tuple(islice(count.stopping.values(), NAMED))
        return Progress(freeze_id, self.node_id, count.stopped, len(count.stopping), named)


def _end(count: _Count) -> None:
    """Wait for no call of a freeze any more."""
    for task in count.waiting:
        task.cancel()


def frozen_by(freeze: Freeze) -> Frozen:
    """The failure of what that freeze stops."""
    return Frozen(str(freeze.target), freeze.reason, freeze.id)

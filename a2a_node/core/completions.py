"""The completions of a server, and of a client's channel, as queues that the pump can look into without waiting.

grpcio's channel keeps its queue to itself and only ever waits in it. But a batch of nothing completes at once: whoever
takes completions until that one comes has looked, and has not waited. A server's queue can be looked into by itself,
but while it is empty, and the thread of another pump waits in its own, the C core has the look wait for that thread:
75 to 250 µs, and 19 of CPU, where a batch of nothing takes 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import cast

from a2a_node.core.library import (
    PAST,
    SHUTDOWN,
    TIMEOUT,
    Batches,
    ClientCall,
    CoreChannel,
    Event,
    Operation,
    Queue,
    Tag,
)


@dataclass(frozen=True, slots=True)
class _Nothing:
    """An event of no operation."""

    completion_type: int
    tag: None = None
    success: bool = False


NOTHING, END = cast("Event", _Nothing(TIMEOUT)), cast("Event", _Nothing(SHUTDOWN))


class Arrivals:
    """What arrives at a server, and what was begun on its RPCs and is complete."""

    def __init__(self, queue: Queue, mark: Callable[[Tag], bool]) -> None:
        """`mark` begins a batch of nothing on any RPC that runs; False when none does."""
        self._queue, self._mark = queue, mark
        self._marked = self._shut = False

    def poll(self, deadline: float | None = None) -> Event:
        """The next completion; with a deadline, whichever it is, it does not wait."""
        return self._queue.poll() if deadline is None else self._look()

    def shutdown(self) -> None:
        """Take no more; `poll` says so once everything that was begun is complete. Nothing may be begun after it.

        The C core aborts the process when something is begun on a queue that is shut down and has all complete.
        """
        self._shut = True
        self._queue.shutdown()

    def _look(self) -> Event:
        """What is complete; while no RPC runs nothing but arrivals can be, for which the thread waits."""
        self._marked = self._marked or (not self._shut and self._mark(_mark))
        if not self._marked:
            return NOTHING
        event = self._queue.poll(PAST)
        if event.tag is not _mark:
            return event
        self._marked = False
        return NOTHING


class Completions:
    """What was begun on a channel and is complete; everything is begun in the loop, only one at a time polls."""

    def __init__(self, channel: CoreChannel) -> None:
        self._channel = channel
        self._calls: dict[ClientCall, None] = {}  # those whose status has not come
        self._begun = self._done = 0  # batches, each counter with one writer
        self._marked = self._shut = False
        self._changed = Condition()  # for a thread that waits while nothing is under way

    def call(self, method: str, deadline: float | None, batches: Batches) -> ClientCall:
        """Begin an RPC, by a deadline in seconds since the epoch; `over` says that its status has come.

        ValueError once nothing more is begun: nobody would take what completes.
        """
        if self._shut:
            raise ValueError("the connection is closed")
        call = self._channel.integrated_call(0, method.encode(), None, deadline, None, None, batches)
        self._calls[call] = None
        self._count(len(batches))
        return call

    def operate(self, call: ClientCall, operations: Sequence[Operation], tag: Tag) -> bool:
        """Begin a batch; False when the RPC is over."""
        if not call.operate(operations, tag):
            return False
        self._count(1)
        return True

    def over(self, call: ClientCall) -> None:
        """The status of an RPC has come."""
        self._calls.pop(call, None)

    def poll(self, deadline: float | None = None) -> Event:
        """The next completion; with a deadline, whichever it is, it does not wait."""
        if deadline is not None:
            return self._look()
        with self._changed:
            self._changed.wait_for(lambda: self._begun > self._done or self._shut)
        return self._next() if self._begun > self._done else END

    def shutdown(self) -> None:
        """Nothing more is begun, and all RPCs are cancelled; `poll` says so once everything is complete."""
        for call in self._calls:
            call.cancel(1, "the connection is closed")
        with self._changed:
            self._shut = True
            self._changed.notify()

    def _count(self, batches: int) -> None:
        idle = self._begun == self._done
        self._begun += batches
        if idle:
            with self._changed:
                self._changed.notify()

    def _look(self) -> Event:
        if not self._marked:
            call = next(iter(self._calls), None)
            if call is None or not self.operate(call, (), _mark):
                return NOTHING
            self._marked = True
        return self._next()

    def _next(self) -> Event:
        event = self._channel.next_call_event()
        if event.tag is None:  # where gRPC may fork, it waits for a second at most
            return NOTHING
        self._done += 1
        if event.tag is not _mark:
            return event
        self._marked = False
        return NOTHING


def _mark(_: Event) -> None:
    """The tag of a batch of nothing, never called."""

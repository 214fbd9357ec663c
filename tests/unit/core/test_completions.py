"""Completions of a server and of a channel: looked into without waiting, waited for without looking, and an end."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from typing import cast

from a2a_node.core.completions import Arrivals, Completions
from a2a_node.core.library import SHUTDOWN, Batches, ClientCall, CoreChannel, Event, Operation, Queue, Tag

PATIENCE = 10.0


class Completion:
    """What a channel gives."""

    success, completion_type = True, SHUTDOWN + 2

    def __init__(self, tag: Tag) -> None:
        self.tag = tag


class Channel:
    """A channel without a C core, whose batches are complete when a test says so, and those of nothing at once."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.under_way: list[Tag] = []

    def integrated_call(self, *begun: object) -> ClientCall:
        """Begin an RPC."""
        self.under_way += [tag for _, tag in cast("Batches", begun[-1])]
        return cast("ClientCall", Call(self))

    def next_call_event(self) -> Event:
        """The next completion."""
        return self.events.get(timeout=PATIENCE)

    def complete(self, tag: Tag) -> None:
        """Complete a batch."""
        self.events.put(cast("Event", Completion(tag)))


class Call:
    """An RPC of it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def operate(self, operations: Sequence[Operation], tag: Tag) -> bool:
        """Begin a batch."""
        if not operations:
            self._channel.complete(tag)
        return True

    def cancel(self, *_: object) -> None:
        """End it: what is under way completes."""
        for tag in self._channel.under_way:
            self._channel.complete(tag)


def first(_: Event) -> None:
    """A tag."""


def second(_: Event) -> None:
    """Another one."""


def of(channel: Channel) -> Completions:
    """Its completions."""
    return Completions(cast("CoreChannel", channel))


def test_a_look_takes_what_is_complete_and_never_waits() -> None:
    """Whether an RPC is under way or none."""
    channel = Channel()
    completions = of(channel)
    assert completions.poll(0.0).tag is None
    completions.call("/a/B", None, (((), first), ((), second)))
    assert completions.poll(0.0).tag is None
    channel.complete(first)
    channel.complete(second)
    assert [completions.poll(0.0).tag for _ in range(4)] == [first, second, None, None]


def test_a_thread_waits_until_something_is_begun_and_complete() -> None:
    """Then it has that, and not the end."""
    channel, seen = Channel(), list[Event]()
    completions = of(channel)
    thread = Thread(target=lambda: seen.append(completions.poll()))
    thread.start()
    completions.call("/a/B", None, (((), first),))
    channel.complete(first)
    thread.join(PATIENCE)
    assert [event.tag for event in seen] == [first]


def test_the_end_comes_once_everything_is_complete() -> None:
    """What is under way is cancelled first; whoever waits for nothing hears it at once."""
    channel = Channel()
    completions = of(channel)
    completions.call("/a/B", None, (((), first),))
    completions.shutdown()
    assert completions.poll().tag is first
    assert completions.poll().completion_type == SHUTDOWN


class Core:
    """A server's queue without a C core, which nobody may look into while it is empty."""

    def __init__(self) -> None:
        self.running = True
        self.tags: list[Tag] = []

    def poll(self, deadline: float | None = None) -> Event:
        """The next completion."""
        assert self.tags or deadline is None, "a look at an empty queue may wait for another pump's thread"
        return cast("Event", Completion(self.tags.pop(0)) if self.tags else Completion(first))

    def shutdown(self) -> None:
        """Take no more."""

    def mark(self, tag: Tag) -> bool:
        """Begin a batch of nothing, which comes behind what is complete."""
        if self.running:
            self.tags.append(tag)
        return self.running


def arrivals(core: Core) -> Arrivals:
    """Of it."""
    return Arrivals(cast("Queue", core), core.mark)


def test_a_look_at_a_server_takes_what_is_complete_and_never_an_empty_queue() -> None:
    """Of which it would not know when it comes back."""
    core = Core()
    looks = arrivals(core)
    assert looks.poll(0.0).tag is None
    core.tags += [first, second]
    assert [looks.poll(0.0).tag for _ in range(4)] == [first, second, None, None]


def test_where_no_rpc_runs_only_the_thread_takes_arrivals() -> None:
    """A look does without them; the thread has the next one."""
    core = Core()
    core.running = False
    looks = arrivals(core)
    core.tags.append(second)
    assert looks.poll(0.0).tag is None
    assert [looks.poll().tag, looks.poll().tag] == [second, first]

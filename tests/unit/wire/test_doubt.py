"""A stream that was silent, and what its sender is asked before anything begins."""

from __future__ import annotations

import asyncio

from a2a_node.wire.doubt import SILENT, Doubt


class Stream:
    """What is asked over it, and its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[int] = []
        self.doubt = Doubt(self.asked.append, lambda: self.now)

    def hear(self, after: float) -> None:
        """A message comes so many seconds after the one before."""
        self.now += after
        self.doubt.heard()


async def turns() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_stream_that_says_something_all_the_time_is_never_asked() -> None:
    """Not even once in a while."""
    stream = Stream()
    for _ in range(1000):
        stream.hear(SILENT * 0.9)
        await stream.doubt.settled()
    assert stream.asked == []


async def test_after_a_silence_everybody_waits_for_one_answer() -> None:
    """To one question; from then on nobody does."""
    stream = Stream()
    stream.hear(SILENT)
    waiting = [asyncio.create_task(stream.doubt.settled()) for _ in range(3)]
    await turns()
    assert (stream.asked, [task.done() for task in waiting]) == ([1], [False] * 3)
    stream.hear(0.01)
    stream.doubt.pong(1)
    await asyncio.gather(*waiting)
    await stream.doubt.settled()
    assert stream.asked == [1]


async def test_an_answer_that_comes_after_a_silence_answers_nothing() -> None:
    """It may have lain in the same buffers; so it is asked again."""
    stream = Stream()
    stream.hear(SILENT)
    waiting = asyncio.create_task(stream.doubt.settled())
    await turns()
    stream.hear(SILENT)
    stream.doubt.pong(1)
    await turns()
    assert (stream.asked, waiting.done()) == ([1, 2], False)
    stream.hear(0.01)
    stream.doubt.pong(2)
    await waiting


async def test_who_stops_to_wait_stops_nobody_else() -> None:
    """Calls are cancelled while they wait."""
    stream = Stream()
    stream.hear(SILENT)
    gone, waiting = (asyncio.create_task(stream.doubt.settled()) for _ in range(2))
    await turns()
    gone.cancel()
    await turns()
    stream.doubt.pong(1)
    await waiting
    assert gone.cancelled()
    assert stream.asked == [1]


async def test_answers_that_nobody_asked_for_mean_nothing() -> None:
    """Whatever their numbers."""
    stream = Stream()
    stream.doubt.pong(0)
    stream.hear(SILENT)
    stream.doubt.pong(1)
    waiting = asyncio.create_task(stream.doubt.settled())
    await turns()
    stream.doubt.pong(7)
    await turns()
    assert not waiting.done()
    stream.doubt.pong(1)
    await waiting

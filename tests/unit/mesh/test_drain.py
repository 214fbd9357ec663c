"""Draining: no new trees of calls, children still pass, the end is waited for."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.drain import Draining
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import NodeDraining
from a2a_node.model.nodes import Progress


async def done(_: Call) -> None:
    """Nothing more to do."""


def call(parent: str = "") -> Call:
    """A call to echo."""
    made = Call(method="/m", rest=done, agent="echo", id="c")
    made.envelope = Envelope(monotonic() + 10, 10, parent=parent)
    return made


async def test_a_draining_node_refuses_roots_and_lets_children_and_reads_pass() -> None:
    """A running call may need other agents to end."""
    draining = Draining("n1", Calls(), 1.0)
    await draining.refuse(call(), done)
    draining.begin()
    with pytest.raises(NodeDraining):
        await draining.refuse(call(), done)
    await draining.refuse(call(parent="p"), done)
    await draining.refuse(Call(method="/list", rest=done), done)


async def test_calls_that_other_nodes_bring_are_taken_until_agents_have_moved() -> None:
    """Their agents may be nowhere else yet; then they are refused like all others."""
    draining, brought = Draining("n1", Calls(), 1.0), call()
    brought.carrier = "n2"
    draining.begin()
    await draining.refuse(brought, done)
    draining.close()
    with pytest.raises(NodeDraining):
        await draining.refuse(brought, done)


async def test_a_call_that_was_let_in_is_waited_for_before_it_is_tracked() -> None:
    """It may wait for its limits when the node begins to drain."""
    draining, release = Draining("n1", Calls(), 10.0), asyncio.Event()

    async def held(_: Call) -> None:
        await release.wait()

    admitted = asyncio.create_task(draining.refuse(call(), held))
    await asyncio.sleep(0)
    draining.begin()
    draining.close()
    finished = asyncio.create_task(draining.finished())
    await asyncio.sleep(0)
    assert not finished.done()
    release.set()
    await admitted
    assert await finished == 0


async def test_how_far_it_is_can_be_watched() -> None:
    """Each time that somebody waits a while, and at its end at once."""
    calls, release = Calls(), asyncio.Event()

    async def held(_: Call) -> None:
        await release.wait()

    draining = Draining("n1", calls, 10.0)
    running = asyncio.create_task(calls.track(call(), held))
    await asyncio.sleep(0)
    draining.begin()
    assert await draining.progress() == Progress(1)
    watching, finished = asyncio.create_task(draining.progress(10)), asyncio.create_task(draining.finished())
    release.set()
    await running
    assert (await watching, await finished) == (Progress(0, drained=True), 0)


async def test_the_end_of_running_calls_is_waited_for_and_no_longer_than_patience() -> None:
    """What still runs is counted."""
    calls, release = Calls(), asyncio.Event()

    async def held(_: Call) -> None:
        await release.wait()

    draining = Draining("n1", calls, 10.0)
    running = asyncio.create_task(calls.track(call(), held))
    await asyncio.sleep(0)
    draining.begin(patience=0.01)
    assert await draining.finished() == 1
    release.set()
    await running
    assert await draining.finished() == 0


async def test_the_doors_close_in_a_span_in_which_no_client_asks_or_is_answered() -> None:
    """Each is told once to ask elsewhere; those who ask on and on are not waited for."""
    draining, release = Draining("n1", Calls(), 10.0), asyncio.Event()

    async def wait(_: Call) -> None:
        await release.wait()

    answered = asyncio.create_task(draining.refuse(call(), wait))
    await asyncio.sleep(0)
    begun = monotonic()
    draining.begin()
    await draining.quiet(0.02)
    assert monotonic() - begun >= 0.02
    await draining.quiet(0.02, 0.0)

    ended = monotonic()
    release.set()
    await answered
    quiet = asyncio.create_task(draining.quiet(0.02))
    await asyncio.sleep(0)
    asked = monotonic()
    with pytest.raises(NodeDraining):
        await draining.refuse(call(), done)
    await quiet
    assert monotonic() - ended >= 0.02
    assert monotonic() - asked >= 0.02

    async def ask() -> None:
        while True:
            with pytest.raises(NodeDraining):
                await draining.refuse(call(), done)
            await asyncio.sleep(0)

    asking = asyncio.create_task(ask())
    await draining.quiet(60.0, 0.02)
    asking.cancel()

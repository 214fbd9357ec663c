"""Calls without a key whose node dies or stands still: whoever asks at another node hears what became of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from time import monotonic

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.model.errors import AgentLost, MeshError, NodeLost
from a2a_node.model.names import fresh_uuid
from tests.e2e.mesh_nodes import LEASE, Nodes
from tests.e2e.nodes import RunningNode
from tests.e2e.test_mesh import known as agent_known
from tests.e2e.test_streams import PATIENCE

Heard = CallRecord | MeshError


class Sleeper:
    """An agent that works until it is told to stop, and the ids of its calls."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ids: list[str] = []
        self.agent = Agent("sleeper", version="1.0.0")
        self.agent.capability(self.sleep)

    async def sleep(self, context: Context) -> None:
        """Work."""
        self.ids.append(context.call_id)
        self.begun.set()
        await asyncio.Event().wait()


async def heard(mesh: MeshClient, call_id: str) -> Heard:
    """What a node says of a call."""
    try:
        return await mesh.get_call(call_id)
    except MeshError as failure:
        return failure


def over(word: Heard) -> bool:
    """Whether that is the last word; a node that does not answer now may do so later."""
    return isinstance(word, NodeLost) or (isinstance(word, CallRecord) and word.status is not CallStatus.RUNNING)


async def last_words(clients: Sequence[MeshClient], call_id: str) -> Sequence[Heard]:
    """What each says in the end."""
    said: list[Heard] = []
    for mesh in clients:
        while not over(word := await heard(mesh, call_id)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        said.append(word)
    return said


def reason(word: Heard) -> str:
    """Why a call failed, be that told by a record or in place of one."""
    failure = word if isinstance(word, MeshError) else word.error
    return "" if failure is None else f"{failure.code} {failure.reason}"


async def test_a_call_whose_node_was_killed_is_lost_for_whoever_asks(nodes: Nodes) -> None:
    """Within two leases, by its id, whoever chose that; until then the node does not answer."""
    here, there, sleeper = nodes.start(), nodes.start(), Sleeper()
    chosen = fresh_uuid()
    async with (
        MeshClient(here.address, nodes.key) as mesh,
        MeshClient(there.address, nodes.key) as other,
        attached(sleeper.agent, here.address, key=nodes.key),
        asyncio.timeout(PATIENCE),
    ):
        waiting = [
            asyncio.ensure_future(mesh.call("sleeper", "sleep")),
            asyncio.ensure_future(mesh.call("sleeper", "sleep", call_id=chosen)),
        ]
        while len(sleeper.ids) < 2:
            sleeper.begun.clear()
            await sleeper.begun.wait()
        (made,) = {*sleeper.ids} - {chosen}
        for call_id in (made, chosen):
            assert (await other.get_call(call_id)).status is CallStatus.RUNNING
        os.kill(here.pid, signal.SIGKILL)
        killed = monotonic()
        for call_id in (made, chosen):
            (word,) = await last_words([other], call_id)
            assert monotonic() - killed < 2 * LEASE
            assert reason(word) == "UNAVAILABLE NODE_LOST"
            with pytest.raises(NodeLost):
                await other.cancel(call_id)
        await asyncio.wait(waiting)


@pytest.mark.parametrize("dies", ["entry", "server"])
async def test_a_call_that_two_nodes_knew_ends_when_one_of_them_is_killed(nodes: Nodes, dies: str) -> None:
    """Within two leases, whichever it is, and by the word of the one that is left."""
    entry, server, third, sleeper = nodes.start(), nodes.start(), nodes.start(), Sleeper()
    async with (
        MeshClient(entry.address, nodes.key) as mesh,
        MeshClient(server.address, nodes.key) as serving,
        MeshClient(third.address, nodes.key) as other,
        attached(sleeper.agent, server.address, key=nodes.key),
        asyncio.timeout(PATIENCE),
    ):
        await agent_known(mesh, "sleeper", 1)
        waiting = asyncio.ensure_future(mesh.call("sleeper", "sleep"))
        await sleeper.begun.wait()
        os.kill((entry if dies == "entry" else server).pid, signal.SIGKILL)
        killed = monotonic()
        words = await last_words([other, serving if dies == "entry" else mesh], sleeper.ids[0])
        assert monotonic() - killed < 2 * LEASE
        assert [word.status for word in words if isinstance(word, CallRecord)] == [CallStatus.FAILED] * 2
        assert {reason(word) for word in words} == {
            f"UNAVAILABLE {NodeLost.reason if dies == 'entry' else AgentLost.reason}"
        }
        with pytest.raises(MeshError):
            await waiting


async def test_a_call_of_nodes_that_stand_still_is_lost_and_ends_when_they_go_on(nodes: Nodes) -> None:
    """For others within two leases; by the word of its node once that is back, and never as running for ever."""
    lease = 15.0  # to ask a node that stands still takes 2 s, whatever its lease; a busy machine adds its own
    entry, server, third = (nodes.start(A2A_LEASE=str(lease)) for _ in range(3))
    sleeper = Sleeper()
    both: Sequence[RunningNode] = (entry, server)
    async with (
        MeshClient(entry.address, nodes.key) as mesh,
        MeshClient(third.address, nodes.key) as other,
        attached(sleeper.agent, server.address, key=nodes.key),
        asyncio.timeout(2 * PATIENCE),
    ):
        await agent_known(mesh, "sleeper", 1)
        waiting = asyncio.ensure_future(mesh.call("sleeper", "sleep", timeout=PATIENCE / 2))
        await sleeper.begun.wait()
        for node in both:
            os.kill(node.pid, signal.SIGSTOP)
        stopped = monotonic()
        try:
            (word,) = await last_words([other], sleeper.ids[0])
            assert monotonic() - stopped < 2 * lease
            assert reason(word) == "UNAVAILABLE NODE_LOST"
        finally:
            for node in both:
                os.kill(node.pid, signal.SIGCONT)
        with pytest.raises(MeshError):
            await waiting
        while not isinstance(word, CallRecord) or word.status is CallStatus.RUNNING:
            await asyncio.sleep(0.05)
            word = await heard(mesh, sleeper.ids[0])
        assert word.status is not CallStatus.SUCCEEDED

"""The kill switch at one node: what is refused, what is stopped, and what is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic

import pytest

from a2a_node.access.frozen import Freezing
from a2a_node.access.stopping import Stopping
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.followed import Habits
from a2a_node.mesh.lingering import Lingering, Remains
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call, CallStatus, Proceed
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import Frozen
from a2a_node.model.freezes import Freeze, FreezeKind, FreezeTarget, NewFreeze, Progress, Unconfirmed
from a2a_node.model.principal import Principal
from a2a_node.testing import Clock, MemoryFreezes

ADA, ROOT = Principal("person", "ada"), Principal("person", "root")
HABITS = Habits(first_wait=0.001, longest_wait=0.01, tick=0.001)
HERE = "here"
INSTANCE = Instance("i1", "echo", HERE, InstanceKind.ATTACHED)


class House:
    """One node that enforces freezes."""

    def __init__(self, store: MemoryFreezes, freezing: Freezing, calls: Calls, stopping: Stopping) -> None:
        self.store, self.freezing, self.calls, self.stopping = store, freezing, calls, stopping
        self.clock: Clock
        self.lingering: Lingering

    async def freeze(self, kind: FreezeKind, name: str, ttl: float | None = None) -> Freeze:
        """Freeze something, as any node may have done."""
        freeze, revision = await self.store.freeze(NewFreeze(FreezeTarget(kind, name), "why", "person:dev", ttl))
        await self.freezing.reached(revision)
        return freeze

    async def work(self, call: Call, at_work: Proceed | None = None) -> asyncio.Task[None]:
        """A call at work, mostly for ever."""
        task = asyncio.ensure_future(_track(self.calls, call, at_work or _for_ever))
        await asyncio.sleep(0)
        return task

    async def through_the_layer(self, call: Call) -> None:
        """What is inside of tracking."""
        await self.stopping.check_again(call, _for_ever)

    async def confirmed(self, freeze: Freeze, stopped: int, *stopping: Unconfirmed) -> None:
        """Wait until the node has confirmed so much."""
        wanted = Progress(freeze.id, HERE, stopped, len(stopping), stopping)
        async with asyncio.timeout(5):
            while await self.store.progress([freeze.id]) != [wanted]:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0)


async def _track(calls: Calls, call: Call, work: Proceed) -> None:
    await calls.track(call, work)


async def _for_ever(_: Call) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A node on freezes in memory."""
    clock, calls, lingering = Clock(), Calls(), Lingering()
    store = MemoryFreezes(clock)
    async with (
        Freezing.freezes_of(store, HABITS) as freezing,
        Stopping.enforcing(freezing, store, (calls, lingering), (HERE, frozenset((ROOT,)))) as stopping,
    ):
        opened = House(store, freezing, calls, stopping)
        opened.lingering = lingering
        opened.clock = clock
        yield opened


def call(name: str = "c1", *, chain: tuple[Principal, ...] = (), root: str = "r1", by: Principal = ADA) -> Call:
    """A call of echo, in the name of a chain."""
    made = Call("/a2amesh.v1.AgentService/Invoke", _done, id=name, agent="echo", principal=by)
    made.envelope = Envelope(monotonic() + 60, 60.0, ("echo",), "", root, chain, name)
    return made


async def _done(_: Call) -> None:
    """Nothing is left to do."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FreezeKind.AGENT, "echo"),
        (FreezeKind.PRINCIPAL, "person:ada"),
        (FreezeKind.PRINCIPAL, "person:eve"),
        (FreezeKind.AGENT, "relay"),
        (FreezeKind.CALL, "r1"),
    ],
)
async def test_whatever_a_call_has_to_do_with_stops_it(house: House, kind: FreezeKind, name: str) -> None:
    """Its agent, its caller, anybody on the way, any agent that acts, the tree; until the freeze is lifted."""
    asked = call(chain=(Principal("person", "eve"), Principal("agent", "relay")))
    await house.stopping.check(asked, _done)
    freeze = await house.freeze(kind, name)
    for layer in (house.stopping.check, house.stopping.check_again):
        with pytest.raises(Frozen, match="why"):
            await layer(asked, _done)
    _, revision = await house.store.lift(freeze.id, "person:dev")
    await house.freezing.reached(revision)
    await house.stopping.check(asked, _done)


async def test_others_go_on(house: House) -> None:
    """What is frozen is that and nothing else."""
    task = await house.work(call())
    await house.freeze(FreezeKind.AGENT, "other")
    await house.freeze(FreezeKind.CALL, "c1")
    await house.stopping.check(call(), _done)
    assert house.calls.get("c1").status is CallStatus.RUNNING
    task.cancel()


async def test_a_call_is_stopped_once_nothing_of_its_work_lingers(house: House) -> None:
    """The agent may still be at it when the call has ended; until it says that it is not, it is named."""
    running, works = call(), list[Remains]()
    running.instance = INSTANCE

    async def lingers(_: Call) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            works.append(house.lingering.add(running, INSTANCE))

    task = await house.work(running, lingers)
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    with pytest.raises(Frozen):
        await task
    await house.confirmed(freeze, 0, Unconfirmed("c1", "echo", "i1"))
    house.lingering.settle(works[0], over=True)
    await house.confirmed(freeze, 1)


async def test_what_nobody_will_ever_confirm_stays_in_sight(house: House) -> None:
    """Of two tries of one call one has ended; of the other one nobody knows."""
    running = call()
    running.instance = INSTANCE
    works = [house.lingering.add(running, INSTANCE) for _ in range(2)]
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    await house.confirmed(freeze, 0, Unconfirmed("c1", "echo", "i1"))
    for work, over in zip(works, (True, False), strict=True):
        house.lingering.settle(work, over=over)
    await house.confirmed(freeze, 0, Unconfirmed("c1", "echo", "i1", lost=True))


async def test_what_another_node_has_stopped_first_counts_where_it_worked(house: House) -> None:
    """A node may hear of a freeze when its caller does so already, and has cancelled."""
    for name, place in (("c1", HERE), ("c2", "there")):
        ending = call(name)
        ending.begun, ending.instance = True, replace(INSTANCE, node=place)
        task = await house.work(ending, house.through_the_layer)
        task.cancel()
        await asyncio.wait([task])

    async def child_is_frozen(_: Call) -> None:
        raise Frozen("call:r1", "why", "f1")

    parent = call("c3")
    parent.begun, parent.instance = True, INSTANCE
    with pytest.raises(Frozen):
        await house.stopping.check_again(parent, child_is_frozen)
    await house.confirmed(await house.freeze(FreezeKind.CALL, "r1"), 2)


async def test_a_call_that_lingers_since_before_the_freeze_is_stopping(house: House) -> None:
    """It was cancelled long ago, and its agent did not care."""
    work = house.lingering.add(call(), INSTANCE)
    house.lingering.add(call("c2", root="r2"), INSTANCE)
    freeze = await house.freeze(FreezeKind.CALL, "r1")
    await house.confirmed(freeze, 0, Unconfirmed("c1", "echo", "i1"))
    house.lingering.settle(work, over=True)
    await house.confirmed(freeze, 1)


async def test_a_call_that_another_node_serves_is_counted_there(house: House) -> None:
    """It is stopped here as well."""
    running = call()
    running.instance = Instance("i1", "echo", "there", InstanceKind.HOSTED)
    task = await house.work(running)
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    with pytest.raises(Frozen):
        await task
    await house.confirmed(freeze, 0)


async def test_what_the_store_could_not_be_told_is_told_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is confirmed that was not kept."""
    monkeypatch.setattr("a2a_node.access.stopping.AGAIN", 0.001)
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    house.store.lose()
    await asyncio.sleep(0.01)
    house.store.recover()
    await house.confirmed(freeze, 0)


async def test_a_freeze_is_over_after_its_time(house: House) -> None:
    """By the store's clock."""
    await house.freeze(FreezeKind.AGENT, "echo", ttl=0.05)
    with pytest.raises(Frozen):
        await house.stopping.check(call(), _done)
    async with asyncio.timeout(5):
        while len(house.freezing.book):  # noqa: ASYNC110 - time alone ends it
            await asyncio.sleep(0.01)
    await house.stopping.check(call(), _done)


async def test_streams_of_whoever_is_frozen_end(house: House) -> None:
    """Watches and the like, with the reason."""
    watch = Call("/a2amesh.v1.RegistryService/WatchAgents", _done, principal=ADA, endless=True)
    task = asyncio.ensure_future(house.stopping.check(watch, _for_ever))
    await asyncio.sleep(0)
    await house.freeze(FreezeKind.PRINCIPAL, "person:ada")
    with pytest.raises(Frozen):
        await task


async def test_roots_can_always_lift_a_freeze(house: House) -> None:
    """Others who are frozen cannot."""
    for principal in (ROOT, ADA):
        await house.freeze(FreezeKind.PRINCIPAL, str(principal))
    method = "/a2amesh.v1.AccessService/Unfreeze"
    await house.stopping.check(Call(method, _done, principal=ROOT), _done)
    with pytest.raises(Frozen):
        await house.stopping.check(Call(method, _done, principal=ADA), _done)

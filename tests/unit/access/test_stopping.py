"""The kill switch at one node: what is refused, what is stopped, and what is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from a2a_node.access.frozen import Freezing
from a2a_node.access.stopping import Stopping
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.followed import Habits
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call, CallStatus
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import Frozen
from a2a_node.model.freezes import Freeze, FreezeKind, FreezeTarget, NewFreeze, Progress
from a2a_node.model.principal import Principal
from a2a_node.testing import Clock, MemoryFreezes

ADA, ROOT = Principal("person", "ada"), Principal("person", "root")
HABITS = Habits(first_wait=0.001, longest_wait=0.01, tick=0.001)
HERE = "here"


class House:
    """One node that enforces freezes."""

    def __init__(self, store: MemoryFreezes, freezing: Freezing, calls: Calls, stopping: Stopping) -> None:
        self.store, self.freezing, self.calls, self.stopping = store, freezing, calls, stopping
        self.clock: Clock

    async def freeze(self, kind: FreezeKind, name: str, ttl: float | None = None) -> Freeze:
        """Freeze something, as any node may have done."""
        freeze, revision = await self.store.freeze(NewFreeze(FreezeTarget(kind, name), "why", "person:dev", ttl))
        await self.freezing.reached(revision)
        return freeze

    async def work(self, call: Call) -> asyncio.Task[None]:
        """A call at work, for ever."""

        async def at_work(_: Call) -> None:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(_track(self.calls, call, at_work))
        await asyncio.sleep(0)
        return task

    async def confirmed(self, freeze: Freeze, stopped: int, stopping: int) -> None:
        """Wait until the node has confirmed so much."""
        async with asyncio.timeout(5):
            while await self.store.progress([freeze.id]) != [Progress(freeze.id, HERE, stopped, stopping)]:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0)


async def _track(calls: Calls, call: Call, work: object) -> None:
    await calls.track(call, work)  # type: ignore[arg-type]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A node on freezes in memory."""
    clock, calls = Clock(), Calls()
    store = MemoryFreezes(clock)
    async with (
        Freezing.freezes_of(store, HABITS) as freezing,
        Stopping.enforcing(freezing, store, calls, (HERE, frozenset((ROOT,)))) as stopping,
    ):
        opened = House(store, freezing, calls, stopping)
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


@pytest.mark.parametrize(("kind", "stopped"), [(InstanceKind.HOSTED, 1), (InstanceKind.ATTACHED, 0)])
async def test_only_what_is_known_to_be_over_is_confirmed(house: House, kind: InstanceKind, stopped: int) -> None:
    """A hosted agent's work is over with its call; of one in another process that is not known."""
    running = call()
    running.instance = Instance("i1", "echo", HERE, kind)
    task = await house.work(running)
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    with pytest.raises(Frozen):
        await task
    await house.confirmed(freeze, stopped, 1 - stopped)


async def test_a_call_that_another_node_serves_is_counted_there(house: House) -> None:
    """It is stopped here as well."""
    running = call()
    running.instance = Instance("i1", "echo", "there", InstanceKind.HOSTED)
    task = await house.work(running)
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    with pytest.raises(Frozen):
        await task
    await house.confirmed(freeze, 0, 0)


async def test_what_the_store_could_not_be_told_is_told_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is confirmed that was not kept."""
    monkeypatch.setattr("a2a_node.access.stopping.AGAIN", 0.001)
    freeze = await house.freeze(FreezeKind.AGENT, "echo")
    house.store.lose()
    await asyncio.sleep(0.01)
    house.store.recover()
    await house.confirmed(freeze, 0, 0)


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

    async def for_ever(_: Call) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(house.stopping.check(watch, for_ever))
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

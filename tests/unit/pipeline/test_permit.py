"""The permit layer: who may, in whose name, and what ends when a permission does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope, handed_to
from a2a_node.model.errors import PermissionDenied, RpcNotServed
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.pipeline.permit import Permit, Place
from tests.unit.access.mesh import DEV, Mesh, meshed

ANN, BOB = Principal("person", "ann"), Principal("person", "bob")
CROWD = Principal("agent", "crowd")
INVOKE = "/a2amesh.v1.AgentService/Invoke"
STREAM = "/a2amesh.v1.AgentService/InvokeStream"
OWNERS = {"crowd": "person:bob"}
COSTS = {("echo", "dear"): 6}


class Agents:
    """Who owns which agent, and which of them call others only at work."""

    def __init__(self) -> None:
        self.bound: set[str] = set()

    def owner_of(self, name: str) -> str:
        """The owner."""
        return OWNERS.get(name, "")

    def needs_call_token(self, name: str) -> bool:
        """Whether it is bound."""
        return name in self.bound

    def cost_of(self, name: str, capability: str) -> int:
        """What a call costs."""
        return COSTS.get((name, capability), 1)


class House:
    """The layer over a mesh of grants, and how often it let something through."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.agents = Agents()
        self.layer = Permit(mesh.decisions, Place("n1", "north", "a"), self.agents)
        self.passed = 0

    async def enter(self, call: Call) -> None:
        """Ask to let a call through."""
        await self.layer.check(call, self._pass)

    async def enters(self, call: Call) -> bool:
        """Whether a call is let through."""
        try:
            await self.enter(call)
        except PermissionDenied:
            return False
        return True

    async def _pass(self, _: Call) -> None:
        self.passed += 1


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A mesh in which nobody but the developer may do anything."""
    async with meshed() as mesh:
        yield House(mesh)


async def for_ever(_: Call) -> None:
    """A stream that does not end by itself."""
    await asyncio.Event().wait()


def call(principal: Principal, method: str = INVOKE, agent: str = "echo", **more: object) -> Call:
    """A call as it comes from auth."""
    envelope = Envelope(monotonic() + 60, 60.0, path=(agent,) if agent else (), id="c", root="c")
    made = Call(method=method, rest=for_ever, id="c", agent=agent, unary=method == INVOKE)
    made.principal, made.envelope = principal, envelope
    for name, value in more.items():
        setattr(made, name, value)
    return made


def child(parent: Call, presenter: Principal, agent: str) -> Call:
    """A call that the agent of another call makes."""
    assert parent.envelope is not None
    envelope = handed_to(parent.agent, parent.envelope, parent.principal, parent.scopes)
    return call(presenter, agent=agent, envelope=envelope)


async def test_what_is_not_granted_does_not_get_through(house: House) -> None:
    """From the grant on it does, until it is revoked."""
    assert await house.enters(call(DEV))
    assert not await house.enters(call(ANN))
    grant = await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke")
    assert await house.enters(call(ANN))
    assert not await house.enters(call(ANN, agent="other"))
    await house.mesh.revoke("person:dev", grant.id)
    assert not await house.enters(call(ANN))


async def test_health_is_open_and_a_missing_entry_is_refused(house: House) -> None:
    """To everybody; the developer is no exception."""
    assert await house.enters(call(NOBODY, "/grpc.health.v1.Health/Check", ""))
    assert await house.enters(call(ANN, "/a2amesh.v1.AccessService/CheckPermission", ""))
    assert not await house.enters(call(NOBODY, "/grpc.channelz.v1.Channelz/GetServers", ""))
    with pytest.raises(RpcNotServed):
        await house.enter(call(DEV, "/a2amesh.v1.AgentService/Newer", ""))


async def test_a_key_with_scopes_does_less_than_its_owner(house: House) -> None:
    """And so do the agents that work for it."""
    assert await house.enters(call(DEV, scopes=("agent:echo:invoke",)))
    assert not await house.enters(call(DEV, scopes=("cache:read",)))
    assert not await house.enters(call(DEV, scopes=()))
    parent = call(DEV, agent="crowd", scopes=("agent:crowd:invoke",))
    assert await house.enters(parent)
    assert not await house.enters(child(parent, CROWD, "echo"))
    assert await house.enters(child(call(DEV, agent="crowd"), CROWD, "echo"))


async def test_an_agent_at_work_may_do_what_its_caller_may(house: House) -> None:
    """Its caller may not call echo: then it may not either."""
    await house.mesh.give("person:dev", "person:ann", "agent:crowd:invoke")
    parent = call(ANN, agent="crowd")
    assert await house.enters(parent)
    assert not await house.enters(child(parent, CROWD, "echo"))
    await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke")
    assert await house.enters(child(parent, CROWD, "echo"))
    assert await house.enters(child(parent, Principal("node", "n2"), "echo"))


def test_the_chain_grows_with_every_agent() -> None:
    """The root's principal first."""
    first = call(ANN, agent="a")
    second = child(first, Principal("node", "n1"), "b")
    third = child(second, Principal("node", "n1"), "c")
    assert third.envelope is not None
    assert [str(one) for one in third.envelope.authority] == ["person:ann", "agent:a", "agent:b"]


async def test_a_call_token_is_good_for_its_agent_alone(house: House) -> None:
    """Or for the agent's owner, or for a node; not even the developer may lend itself somebody's authority."""
    await house.mesh.give("person:dev", "person:ann", "agent:*:invoke")
    parent = call(ANN, agent="crowd")
    for bearer, through in ((CROWD, True), (BOB, True), (DEV, False), (Principal("agent", "thief"), False)):
        assert await house.enters(child(parent, bearer, "echo")) is through


async def test_whose_call_token_it_is_was_asked_where_the_call_came_in(house: House) -> None:
    """A node to which another one carries the call may not have heard of the agent yet, or of its new owner."""
    await house.mesh.give("person:dev", "person:ann", "agent:*:invoke")
    carried = child(call(ANN, agent="fresh"), BOB, "echo")
    assert not await house.enters(carried)
    carried.carrier = "n2"
    assert await house.enters(carried)


async def test_conditions_see_the_call_and_its_baggage(house: House) -> None:
    """Where it runs, how large it is, and what its caller says of it."""
    conditions = (
        "call.node == 'n1' && call.region == 'north' && call.zone == 'a' && call.hops == 1",
        "call.principal == 'person:ann' && call.agent == 'echo' && call.capability == 'say'",
        "call.payload_bytes <= 100",
        "context.project == 'atlas'",
    )
    await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke", conditions=conditions)
    metadata = {"baggage": "project=atlas"}
    assert await house.enters(call(ANN, payload_bytes=100, capability="say", metadata=metadata))
    assert not await house.enters(call(ANN, payload_bytes=101, capability="say", metadata=metadata))
    assert not await house.enters(call(ANN, payload_bytes=100, capability="say"))


async def test_a_condition_bounds_what_a_call_may_cost(house: House) -> None:
    """As the registry has it; a capability that nobody knows costs 1."""
    await house.mesh.give("person:dev", "person:ann", "agent:*:invoke", conditions=("call.cost <= 5",))
    assert not await house.enters(call(ANN, capability="dear"))
    assert await house.enters(call(ANN, capability="say"))
    assert await house.enters(call(ANN, agent="nobody", capability="dear"))


async def test_a_decision_on_conditions_is_never_kept(house: House) -> None:
    """The next call may be another."""
    await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke", conditions=("uses < 2",))
    assert [await house.enters(call(ANN)) for _ in range(3)] == [True, True, False]
    assert house.mesh.decisions.kept == {}


async def test_a_decision_is_kept_no_longer_than_its_grant(house: House) -> None:
    """Even if nobody says that it ended."""
    await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke", ttl=3600.0)
    assert await house.enters(call(ANN))
    (key,) = house.mesh.decisions.kept
    assert house.mesh.decisions.kept[key].until < monotonic() + 3601


async def test_a_stream_ends_with_the_grant_that_it_runs_on(house: House) -> None:
    """With a reason; one of somebody else runs on."""
    grant = await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke")
    await house.mesh.give("person:dev", "person:bob", "agent:echo:invoke")
    ended, runs = (asyncio.ensure_future(house.layer.check(call(who, STREAM), for_ever)) for who in (ANN, BOB))
    await asyncio.sleep(0)
    await house.mesh.revoke("person:dev", grant.id)
    with pytest.raises(PermissionDenied, match="person:ann"):
        await ended
    assert not runs.done()
    runs.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runs


async def test_a_stream_runs_on_where_another_grant_allows_it(house: House) -> None:
    """And ends with that one."""
    grant = await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke")
    other = await house.mesh.give("person:dev", "person:ann", "agent:*:invoke", ttl=60.0)
    stream = asyncio.ensure_future(house.layer.check(call(ANN, STREAM), for_ever))
    await asyncio.sleep(0)
    await house.mesh.revoke("person:dev", grant.id)
    assert not stream.done()
    await house.mesh.revoke("person:dev", other.id)
    with pytest.raises(PermissionDenied):
        await stream


async def test_a_watch_ends_too_and_a_stream_under_conditions(house: House) -> None:
    """Whatever lives longer than the moment in which it was allowed."""
    watch = await house.mesh.give("person:dev", "person:ann", "registry:read")
    once = await house.mesh.give("person:dev", "person:bob", "agent:echo:invoke", conditions=("uses < 1",))
    begun = asyncio.Semaphore(0)

    async def run(_: Call) -> None:
        begun.release()
        await asyncio.Event().wait()

    calls = (call(ANN, "/a2amesh.v1.RegistryService/WatchAgents", "", endless=True), call(BOB, STREAM))
    streams = [asyncio.ensure_future(house.layer.check(one, run)) for one in calls]
    for _ in streams:
        await begun.acquire()
    for grant in (watch, once):
        await house.mesh.revoke("person:dev", grant.id)
    for stream in streams:
        with pytest.raises(PermissionDenied):
            await stream


async def test_a_client_that_goes_away_is_no_loss_of_permission(house: House) -> None:
    """A cancelled stream stays cancelled, also when the permission ends in the same moment."""
    grant = await house.mesh.give("person:dev", "person:ann", "agent:echo:invoke")
    stream = asyncio.ensure_future(house.layer.check(call(ANN, STREAM), for_ever))
    await asyncio.sleep(0)
    stream.cancel()
    await house.mesh.revoke("person:dev", grant.id)
    with pytest.raises(asyncio.CancelledError):
        await stream


async def test_an_agent_may_be_bound_to_call_others_only_at_work(house: House) -> None:
    """Then its own key alone begins no call, whatever was granted; it is told so, and it is free again at once."""
    await house.mesh.give("person:dev", "agent:crowd", "agent:*:invoke")
    assert await house.enters(call(CROWD))
    house.agents.bound.add("crowd")
    with pytest.raises(PermissionDenied, match="call token"):
        await house.enter(call(CROWD))
    assert await house.enters(call(CROWD, "/a2amesh.v1.AgentService/GetCall", agent="")) is False
    at_work = handed_to("crowd", Envelope(monotonic() + 60, 60.0, ("crowd",), id="p", root="p"), DEV, None)
    assert await house.enters(call(CROWD, envelope=at_work))
    house.agents.bound.clear()
    assert await house.enters(call(CROWD))

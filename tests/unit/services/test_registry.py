"""RegistryService: what a client sends is converted, done and answered, and what is wrong is named by its field."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict

from a2a_node.mesh.directory import Directory
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentNotFound, InvalidInput, MeshError, NodeNotFound, PageTokenInvalid
from a2a_node.model.nodes import Node, NodeStatus, Progress
from a2a_node.model.principal import Principal
from a2a_node.model.registry_ports import UPDATABLE
from a2a_node.services.registry import CHANGEABLE, RegistryService
from a2a_node.testing import MemoryRegistry
from a2amesh.v1 import agent_pb2
from a2amesh.v1 import registry_service_pb2 as pb
from tests.unit.mesh.samples import HERE, QUICK, THERE


async def done(_: Call) -> None:
    """Nothing more to do."""


CALL = Call(method="/m", rest=done, principal=Principal("agent", "owner"))


@dataclass
class House:
    """A service in a mesh of two nodes."""

    registry: MemoryRegistry
    directory: Directory
    drained: list[tuple[float | None, float]] = field(default_factory=list)

    @property
    def service(self) -> RegistryService:
        """The service of this node."""
        return RegistryService(self.directory, Registrar(self.registry, self.directory, HERE, self.drain), HERE)

    async def drain(self, node_id: str, seconds: float | None, wait: float) -> Progress:
        """Note it, and tell the mesh."""
        self.drained.append((seconds, wait))
        await self.directory.reached(await self.registry.set_status(node_id, NodeStatus.DRAINING))
        return Progress(3, drained=wait > 0)

    async def register(self, name: str, **fields: object) -> pb.RegisterAgentResponse:
        """Register an endpoint."""
        return await self.service.register_agent(registration(name, **fields), CALL)


@asynccontextmanager
async def housed(*names: str) -> AsyncIterator[House]:
    """A service that knows some agents."""
    registry = MemoryRegistry()
    for node, region in ((HERE, "north"), (THERE, "south")):
        await registry.join(Node(node, f"{node}:1", region=region), 15)
    async with Directory.following(registry, QUICK) as directory:
        house = House(registry, directory)
        for name in names:
            await house.register(name)
        yield house


def registration(name: str, *, address: object = "127.0.0.1:7000", **fields: object) -> pb.RegisterAgentRequest:
    """A registration as a client would write it in JSON."""
    agent = {"name": name, "capabilities": [{"name": "say"}], **fields}
    return ParseDict({"agent": agent, "address": address}, pb.RegisterAgentRequest())


def names(response: pb.ListAgentsResponse) -> str:
    """Who is on a page."""
    return " ".join(agent.name for agent in response.agents)


async def refused(attempt: Awaitable[object], kind: type[MeshError] = InvalidInput) -> str:
    """The field that a refusal names."""
    with pytest.raises(kind) as failure:
        await attempt
    return failure.value.violations[0][0] if failure.value.violations else ""


async def test_a_registration_is_answered_with_what_the_registry_has() -> None:
    """The agent with its owner and its instance, the instance with its node and its lease."""
    async with housed() as house:
        answer = await house.register("a", tags=["x"], config={"depth": 3})
        assert (answer.agent.name, answer.agent.owner, answer.agent.enabled) == ("a", "agent:owner", True)
        assert [one.instance_id for one in answer.agent.instances] == [answer.instance.instance_id]
        assert answer.instance.node_id == HERE
        assert answer.instance.kind == agent_pb2.INSTANCE_KIND_ENDPOINT
        assert answer.instance.HasField("lease_expire_time")
        assert answer.agent.config["depth"] == 3


async def test_a_wrong_registration_names_its_field() -> None:
    """And registers nothing."""
    async with housed() as house:
        for request, at_fault in (
            (pb.RegisterAgentRequest(address="127.0.0.1:1"), "agent.name"),
            (registration("Not A Name"), "agent.name"),
            (registration("a", capabilities=[]), "agent.capabilities"),
            (registration("a", tags=["Wrong"]), "agent.tags[0]"),
            (registration("a", address=""), "address"),
            (registration("a", address="nowhere"), "address"),
        ):
            assert await refused(house.service.register_agent(request, CALL)) == at_fault
        assert not house.directory.agents()


async def test_a_lease_of_its_own_is_kept_and_a_wrong_one_named() -> None:
    """An absent one is fifteen seconds; nothing at all is not the same as zero."""
    async with housed() as house:
        request = registration("a")
        request.lease.FromSeconds(60)
        instance = (await house.service.register_agent(request, CALL)).instance
        assert instance.lease_expire_time.seconds - instance.create_time.seconds == pytest.approx(60, abs=1)
        request.lease.CopyFrom(Duration())
        assert await refused(house.service.register_agent(request, CALL)) == "lease"


async def test_a_lease_is_renewed_by_the_id_of_its_instance() -> None:
    """Which must be an id."""
    async with housed() as house:
        instance = (await house.register("a")).instance
        renewed = await house.service.renew_lease(pb.RenewLeaseRequest(instance_id=instance.instance_id), CALL)
        assert renewed.instance.lease_expire_time.ToDatetime() >= instance.lease_expire_time.ToDatetime()
        assert await refused(house.service.renew_lease(pb.RenewLeaseRequest(instance_id="x"), CALL)) == "instance_id"


async def test_an_instance_or_an_agent_is_deregistered() -> None:
    """The answer counts; a request that names neither is refused."""
    async with housed("a", "b") as house:
        service, gone = house.service, pb.DeregisterAgentRequest(agent="a")
        instance_id = house.directory.find("b").instances[0].id
        one = pb.DeregisterAgentRequest(instance_id=instance_id)
        assert (await service.deregister_agent(one, CALL)).removed_instances == 1
        assert (await service.deregister_agent(gone, CALL)).removed_instances == 1
        assert (await service.deregister_agent(gone, CALL)).removed_instances == 0
        assert [entry.name for entry in house.directory.agents()] == ["b"]
        assert await refused(service.deregister_agent(pb.DeregisterAgentRequest(), CALL)) == "agent"


def update(paths: Sequence[str], **fields: object) -> pb.UpdateAgentRequest:
    """An update as a client would write it."""
    agent = ParseDict({"name": "a", **fields}, agent_pb2.AgentDescriptor())
    return pb.UpdateAgentRequest(agent=agent, update_mask=FieldMask(paths=paths))


async def test_an_update_changes_what_its_mask_names() -> None:
    """What else the request holds is ignored."""
    async with housed("a") as house:
        request = update(["enabled", "config", "max_revisits"], config={"x": 1}, maxRevisits=2, category="other")
        agent = (await house.service.update_agent(request, CALL)).agent
        assert (agent.enabled, dict(agent.config), agent.max_revisits) == (False, {"x": 1}, 2)
        assert agent.category == "general"
        emptied = update(["tags", "description", "category", "config"])
        agent = (await house.service.update_agent(emptied, CALL)).agent
        assert (list(agent.tags), agent.description, agent.category, dict(agent.config)) == ([], "", "general", {})


@pytest.mark.parametrize("paths", [[], ["owner"], ["enabled", "config.depth"], ["*"], [""]])
async def test_a_mask_that_names_nothing_or_something_else_is_refused(paths: Sequence[str]) -> None:
    """The message lists what can be changed."""
    async with housed("a") as house:
        assert await refused(house.service.update_agent(update(paths), CALL)) == "update_mask"


def test_all_that_the_registry_can_change_can_be_asked_for() -> None:
    """Neither side knows a field that the other does not."""
    assert tuple(CHANGEABLE) == UPDATABLE


async def test_an_agent_is_found_by_name() -> None:
    """One that nobody knows, and none at all, are different mistakes."""
    async with housed("a") as house:
        assert (await house.service.get_agent(pb.GetAgentRequest(name="a"), CALL)).agent.name == "a"
        await refused(house.service.get_agent(pb.GetAgentRequest(name="b"), CALL), AgentNotFound)
        assert await refused(house.service.get_agent(pb.GetAgentRequest(), CALL)) == "name"


async def test_agents_are_listed_in_pages() -> None:
    """By name, each once, to the end."""
    async with housed("c", "a", "b") as house:
        request = pb.ListAgentsRequest(page_size=2)
        first = await house.service.list_agents(request, CALL)
        assert names(first) == "a b"
        request.page_token = first.next_page_token
        second = await house.service.list_agents(request, CALL)
        assert (names(second), second.next_page_token) == ("c", "")


async def test_agents_are_listed_by_what_they_are() -> None:
    """Each filter alone, and several together."""
    async with housed() as house:
        await house.register("a", category="one", tags=["x"])
        await house.register("b", category="two", tags=["x"])
        await house.register("c", category="two", capabilities=[{"name": "sing"}])
        await house.service.update_agent(update(["enabled"]), CALL)
        for request, expected in (
            (pb.ListAgentsRequest(), "a b c"),
            (pb.ListAgentsRequest(category="two"), "b c"),
            (pb.ListAgentsRequest(tag="x"), "a b"),
            (pb.ListAgentsRequest(capability="sing"), "c"),
            (pb.ListAgentsRequest(enabled=True), "b c"),
            (pb.ListAgentsRequest(enabled=False), "a"),
            (pb.ListAgentsRequest(node_id=THERE), ""),
            (pb.ListAgentsRequest(tag="x", category="two"), "b"),
        ):
            assert names(await house.service.list_agents(request, CALL)) == expected


async def test_a_page_token_belongs_to_its_list_and_its_filters() -> None:
    """From another list, from other filters, and damaged: each is refused."""
    async with housed("a", "b") as house:
        service = house.service
        agents = (await service.list_agents(pb.ListAgentsRequest(page_size=1), CALL)).next_page_token
        nodes = (await service.list_nodes(pb.ListNodesRequest(page_size=1), CALL)).next_page_token
        for attempt in (
            service.list_agents(pb.ListAgentsRequest(page_token=nodes), CALL),
            service.list_agents(pb.ListAgentsRequest(page_token=agents, tag="x"), CALL),
            service.list_agents(pb.ListAgentsRequest(page_token=agents, enabled=True), CALL),
            service.list_agents(pb.ListAgentsRequest(page_token="%%%"), CALL),
            service.list_nodes(pb.ListNodesRequest(page_token=agents), CALL),
            service.list_nodes(pb.ListNodesRequest(page_token=nodes, region="north"), CALL),
        ):
            assert await refused(attempt, PageTokenInvalid) == "page_token"
        assert await refused(service.list_agents(pb.ListAgentsRequest(page_size=-1), CALL)) == "page_size"


async def test_nodes_are_listed_by_how_and_where_they_are() -> None:
    """With how many instances are reached through each."""
    async with housed("a", "b") as house:
        await house.directory.reached(await house.registry.set_status(THERE, NodeStatus.DRAINING))
        for request, expected in (
            (pb.ListNodesRequest(), [HERE, THERE]),
            (pb.ListNodesRequest(status=pb.NODE_STATUS_DRAINING), [THERE]),
            (pb.ListNodesRequest(region="north"), [HERE]),
            (pb.ListNodesRequest(region="north", status=pb.NODE_STATUS_DRAINING), []),
        ):
            listed = (await house.service.list_nodes(request, CALL)).nodes
            assert [node.node_id for node in listed] == expected
        here = (await house.service.list_nodes(pb.ListNodesRequest(), CALL)).nodes[0]
        assert (here.instance_count, here.address, here.region) == (2, "here:1", "north")


async def test_a_status_that_no_node_has_is_refused() -> None:
    """Rather than taken for all."""
    async with housed() as house:
        request = pb.ListNodesRequest.FromString(b"\x18\x63")
        assert await refused(house.service.list_nodes(request, CALL)) == "status"


async def test_a_node_is_found_by_id_and_without_one_it_is_this() -> None:
    """An id that nobody has is said."""
    async with housed() as house:
        for asked, found in (("", HERE), (HERE, HERE), (THERE, THERE)):
            assert (await house.service.get_node(pb.GetNodeRequest(node_id=asked), CALL)).node.node_id == found
        await refused(house.service.get_node(pb.GetNodeRequest(node_id="nowhere"), CALL), NodeNotFound)
        assert await refused(house.service.get_node(pb.GetNodeRequest(node_id="No Id"), CALL)) == "node_id"


async def test_draining_is_told_with_its_timeout() -> None:
    """A negative one is refused."""
    async with housed() as house:
        request = pb.DrainNodeRequest(timeout=Duration(seconds=-1))
        assert await refused(house.service.drain_node(request, CALL)) == "timeout"
        request = pb.DrainNodeRequest(timeout=Duration(seconds=1, nanos=500_000_000))
        answer = await house.service.drain_node(request, CALL)
        assert (answer.node.status, answer.running_calls, answer.drained) == (pb.NODE_STATUS_DRAINING, 3, False)
        assert (await house.service.drain_node(pb.DrainNodeRequest(wait=Duration(seconds=1)), CALL)).drained
        assert house.drained == [(1.5, 0.0), (None, 1.0)]


async def watched(house: House, after: int, until: Callable[[pb.WatchAgentsResponse], bool]) -> list[str]:
    """What a watch tells up to some change, in a word each."""
    told = []
    request = pb.WatchAgentsRequest(after_revision=after)
    async with asyncio.timeout(5), aclosing(house.service.watch_agents(request, CALL)) as changes:
        async for change in changes:
            kind = change.WhichOneof("change")
            told.append({"agent": f"+{change.agent.name}", "removed": f"-{change.removed}"}.get(str(kind), str(kind)))
            if until(change):
                return told
    raise AssertionError(told)


async def test_a_watch_tells_everything_and_continues_where_it_stopped() -> None:
    """Or begins again, when that is no longer known."""
    async with housed("a", "b") as house:
        current = house.directory.revision
        assert await watched(house, 0, lambda change: change.HasField("current")) == ["+a", "+b", "current"]
        await house.service.deregister_agent(pb.DeregisterAgentRequest(agent="a"), CALL)
        assert await watched(house, current, lambda change: change.HasField("current")) == ["-a", "current"]
        assert await watched(house, 10**9, lambda change: change.HasField("current")) == ["reset", "+b", "current"]


async def test_a_watch_from_before_the_beginning_is_refused() -> None:
    """A revision is never negative."""
    async with housed() as house:
        with pytest.raises(InvalidInput, match="after_revision"):
            await watched(house, -1, lambda _: True)

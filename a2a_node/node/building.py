"""The builder: everything of a node is made here, top to bottom, and unmade in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

from prometheus_client.registry import CollectorRegistry

from a2a_node.mesh.copies import Copies
from a2a_node.node import doors, operations, stores
from a2a_node.node.api_site import api_site
from a2a_node.node.carriers import carrying
from a2a_node.node.contract import contract
from a2a_node.node.freezing import enforced
from a2a_node.node.handle import Node
from a2a_node.node.http_edge import http_edge
from a2a_node.node.itself import DEVELOPER, Itself
from a2a_node.node.joining import joining
from a2a_node.node.knowledge import following
from a2a_node.node.layers import Layers
from a2a_node.node.limits import limited
from a2a_node.node.mcp_door import mcp_door
from a2a_node.node.ports import place
from a2a_node.node.proofs import proof
from a2a_node.node.rooms import Rooms
from a2a_node.node.scheduling import scheduling
from a2a_node.node.senses import Acting, sensing
from a2a_node.node.showing import of_rooms
from a2a_node.node.starting import patiently
from a2a_node.node.streams import streaming
from a2a_node.node.tooling import tooling
from a2a_node.node.traces import export_of
from a2a_node.node.underway import Underway
from a2a_node.node.working import beside
from a2a_node.services.questions import questions
from a2a_node.services.standing import Standing
from a2a_node.settings import Settings
from a2a_node.store.watch import watching
from a2a_node.tracing import exporting
from a2a_node.web import gauges, process
from a2a_node.web.edge_figures import of_edge
from a2a_node.web.figures import Figures
from a2a_node.web.rpcs import Rpcs
from a2a_node.web.run_figures import of_runs
from a2a_node.web.schedule_figures import of_schedules
from a2a_node.web.sockets import Sockets, of_sockets
from a2a_node.web.tool_figures import of_tools
from a2a_node.wire.awake import Awake
from a2a_node.workflows.backlog import Backlogs


def running(settings: Settings, postgres_url: str, redis_url: str) -> AbstractAsyncContextManager[Node]:
    """Run a node on those stores until the block ends; SettingInvalid and StoreUnavailable say why it cannot start."""
    return patiently(partial(_built, settings, (postgres_url, redis_url)))


@asynccontextmanager
async def _built(settings: Settings, urls: tuple[str, str]) -> AsyncIterator[Node]:
    async with AsyncExitStack() as house:
        rooms = await house.enter_async_context(_furnished(settings, urls))
        layers = Layers(rooms, Copies(rooms.knowledge.directory.has))
        folded = incoming, outgoing = layers.incoming(), layers.outgoing()
        rooms.underway.inside.opens(incoming, outgoing)
        rooms.underway.arrivals.opens(incoming, layers.arriving(), rooms.streams.heirs)
        joined = await house.enter_async_context(joining(rooms))
        rooms.acting.opens(incoming, rooms.limits.rules, joined.registrar)

        workflows, scheduler = await house.enter_async_context(scheduling(rooms, incoming))
        tools = await house.enter_async_context(tooling(rooms))
        services = contract(rooms, outgoing, joined, (workflows, tools))
        standing = Standing(
            [service.descriptor.full_name for service in services],
            rooms.underway.draining,
            rooms.knowledge.directory,
            rooms.limits.limiter.alone,
            tools.down,
        )
        await house.enter_async_context(watching(rooms.kept.pings(), standing.told))

        rpcs = Rpcs(incoming, services, questions(rooms.underway.ids.fresh))
        edge, sockets = http_edge(settings, rooms.knowledge.audited.refusals), Sockets()
        backlogs = await house.enter_async_context(Backlogs.watched(rooms.kept.runs))
        figures = Figures(
            rooms.registry,
            (
                *of_rooms(rooms, layers),
                *gauges.of_stores(standing.stores, rooms.kept.pools()),
                *gauges.of_membership(joined.member.renewals),
                *of_runs(rooms.kept.runs.came, backlogs, standing.engine, lambda: rooms.underway.giving_way.apart),
                *of_sockets(sockets),
                *of_edge(edge.counts),
                *of_schedules(scheduler),
                *of_tools(tools.standing),
            ),
        )
        site, mcp = api_site(rooms, rpcs, standing, figures, sockets), mcp_door(rooms, folded, rpcs)
        web = doors.Web(figures, site, mcp, edge)
        await house.enter_async_context(doors.opened(rooms, folded, services, standing, web))
        worker = await house.enter_async_context(beside(rooms, urls, standing))
        await house.enter_async_context(rooms.underway.giving_way.kept(worker.space))
        ports = rooms.itself.ports
        yield Node(
            rooms.name,
            place(settings.host, ports.grpc),
            place(settings.http_host, ports.http),
            rooms.itself.key_file,
            rooms.underway.draining,
            standing,
            joined.leaving,
            tools.hand_over,
            rooms.itself.engine,
            worker,
        )


@asynccontextmanager
async def _furnished(settings: Settings, urls: tuple[str, str]) -> AsyncIterator[Rooms]:
    """The rooms of a node, before any call can come."""
    async with AsyncExitStack() as house:
        itself = house.enter_context(Itself.prepared(settings))
        tracing = await house.enter_async_context(exporting(export_of(settings, itself.name)))
        # The node's own: nodes that share a process, as in tests, count apart. Rooms count on it or in plain numbers.
        registry = CollectorRegistry()
        process.told(registry, version("a2a-node"), itself.name)
        await house.enter_async_context(process.timed(registry))
        kept = await house.enter_async_context(stores.opened(*urls, settings.lease, tracing.stores, itself.passphrase))

        knowledge = await house.enter_async_context(following(itself, kept))
        directory = knowledge.directory
        underway = Underway.of(itself, directory, registry)
        acting = Acting.of(itself.name, directory, kept.limits, kept.servers)
        senses = await house.enter_async_context(sensing(registry, knowledge.audited, kept))
        given = operations.Given(settings, senses, acting.hands, kept.grants, kept.keys, urls[0])
        agents = operations.working(itself.agents, given)

        away = proof(knowledge.seals, knowledge.identities.peers, settings.payload_limit)
        whose = itself.name, str(DEVELOPER)
        carriers = await house.enter_async_context(
            carrying(settings, whose, agents, (kept, directory, underway.inside, away))
        )
        limits = await house.enter_async_context(limited(settings, kept, directory, itself.name))
        streams = await house.enter_async_context(streaming(settings, kept, underway))
        work, node = (underway.calls, carriers.lingering), (itself.name, itself.roots)
        frozen = await house.enter_async_context(enforced(kept.freezes, work, directory, node))
        awake = await house.enter_async_context(Awake.watching())
        yield Rooms(
            itself=itself,
            tracing=tracing,
            registry=registry,
            kept=kept,
            knowledge=knowledge,
            underway=underway,
            agents=agents,
            acting=acting,
            carriers=carriers,
            limits=limits,
            streams=streams,
            frozen=frozen,
            awake=awake,
        )

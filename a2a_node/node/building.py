"""The builder: everything of a node is made here, top to bottom, and unmade in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

from prometheus_client.registry import CollectorRegistry

from a2a_node.access.decisions import Decisions
from a2a_node.access.following import Following
from a2a_node.access.granting import Granting
from a2a_node.access.secrets import Secrets
from a2a_node.access.uses import Uses
from a2a_node.mesh.announcing import announced
from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.copies import Copies
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.drains import Drains
from a2a_node.mesh.elsewhere import Elsewhere
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.inside import Inside
from a2a_node.mesh.leaving import Leaving
from a2a_node.mesh.loading import loaded
from a2a_node.mesh.membership import Duties, Rhythm, membership
from a2a_node.mesh.once import Lookups
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.registrar import Registrar
from a2a_node.mesh.retry import Retry
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.model.call_ids import CallIds
from a2a_node.model.nodes import Node as NodeRow
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.node import doors, stores
from a2a_node.node.auditing import auditing
from a2a_node.node.carriers import carrying, link_rules
from a2a_node.node.doors import Ports
from a2a_node.node.freezing import enforced
from a2a_node.node.handle import Node
from a2a_node.node.identities import People, knowing
from a2a_node.node.layers import Layers
from a2a_node.node.limits import limited
from a2a_node.node.proofs import proof
from a2a_node.node.starting import patiently
from a2a_node.node.traces import export_of
from a2a_node.ops.echo import agent as echo
from a2a_node.pipeline.keys import development_key
from a2a_node.pipeline.metrics import Traffic
from a2a_node.pipeline.server import Service
from a2a_node.services.access import AccessService
from a2a_node.services.agent import AgentService
from a2a_node.services.agent_host import AgentHostService
from a2a_node.services.audit import AuditService
from a2a_node.services.cache import CacheService
from a2a_node.services.limit import LimitService
from a2a_node.services.peer import PeerService
from a2a_node.services.registry import RegistryService
from a2a_node.services.session import SessionService
from a2a_node.services.standing import Standing
from a2a_node.services.workflow import DirectoryAgents, WorkflowService
from a2a_node.settings import Settings
from a2a_node.store.identity import node_id
from a2a_node.store.watch import watching
from a2a_node.tracing import exporting
from a2a_node.web import gauges, process
from a2a_node.web.figures import Figures
from a2a_node.web.limit_gauges import of_limits
from a2a_node.web.people import of_people
from a2a_node.web.streams import of_streams
from a2a_node.web.ways import Ways, of_ways
from a2a_node.wire.awake import Awake
from a2a_node.wire.seals import Seals
from a2a_node.workflows.library import Library

DEVELOPER = Principal("person", "dev")  # has the development key, and owns what the node hosts


def running(settings: Settings, postgres_url: str, redis_url: str) -> AbstractAsyncContextManager[Node]:
    """Run a node on those stores until the block ends; SettingInvalid and StoreUnavailable say why it cannot start."""
    return patiently(partial(_built, settings, postgres_url, redis_url))


@asynccontextmanager
async def _built(settings: Settings, postgres_url: str, redis_url: str) -> AsyncIterator[Node]:
    async with AsyncExitStack() as house:
        name = node_id(settings.data_dir, settings.node_id)
        key, key_file = development_key(settings.data_dir)
        agents = loaded(settings.agent, [echo] if settings.echo else [])
        ports = house.enter_context(Ports.kept(settings))

        tracing = await house.enter_async_context(exporting(export_of(settings, name)))
        # The node's own: nodes that share a process, as in tests, count apart. Rooms count on it or in plain numbers.
        registry = CollectorRegistry()
        process.told(registry, version("a2a-node"), name)
        await house.enter_async_context(process.timed(registry))
        kept = await house.enter_async_context(stores.opened(postgres_url, redis_url, settings.lease, tracing.stores))
        directory = await house.enter_async_context(Directory.following(kept.registry))
        following = await house.enter_async_context(Following.grants_of(kept.grants))
        decisions = Decisions(following, Uses(kept.grants), _roots(settings))
        passphrase = settings.mesh_passphrase.get_secret_value()
        seals = Seals(name, await house.enter_async_context(Secrets.following(kept.secrets, passphrase)))
        audited = await house.enter_async_context(auditing(settings, kept.audit, name))
        people = People({key: DEVELOPER}, decisions.roots, directory.owner_of)
        known = await house.enter_async_context(knowing(settings, name, kept.keys, people))
        calls, ids, traffic, lookups = Calls(), CallIds(name), Traffic(registry, directory), Lookups()
        draining, inside = Draining(name, calls, settings.drain), Inside(name, ids.fresh)
        arrivals = Arrivals(name, link_rules(settings), calls.stop)
        away = proof(seals, known.peers, settings.payload_limit)
        carriers = await house.enter_async_context(carrying(settings, name, agents, (kept, directory, inside, away)))
        limits = await house.enter_async_context(limited(settings, kept, directory, name))
        writers = await house.enter_async_context(
            Writers.writing(kept.streams, calls, lease=settings.lease, grace=settings.stream_grace)
        )
        frozen = await house.enter_async_context(
            enforced(kept.freezes, (calls, carriers.lingering), directory, (name, decisions.roots))
        )
        heirs = await house.enter_async_context(Heirs.waiting(kept.streams, writers, calls, settings.lease))
        outliving = await house.enter_async_context(Outliving.keeping(calls))
        awake, returning = (
            await house.enter_async_context(Awake.watching()),
            Returning(kept.streams, calls, settings.lease),
        )
        layers = Layers(
            settings=settings,
            directory=directory,
            calls=calls,
            draining=draining,
            auth=known.auth,
            decisions=decisions,
            outcomes=kept.outcomes,
            budgets=kept.budgets,
            carriers=carriers,
            node_id=name,
            traffic=traffic,
            lookups=lookups,
            outliving=outliving,
            returning=returning,
            writers=writers,
            stopping=frozen.stopping,
            seals=seals,
            audited=audited,
            copies=Copies(directory.has),
            awake=awake,
            retry=Retry(),
            spans=tracing.spans,
            limits=limits,
        )
        incoming, outgoing = layers.incoming(), layers.outgoing()
        inside.opens(incoming, outgoing)
        arrivals.opens(incoming, layers.arriving(), heirs)

        async def announce() -> None:
            await directory.reached(await announced(kept.registry, name, agents, str(DEVELOPER)))
            await carriers.attached.reannounce()

        duties, rhythm = (
            Duties(announce, draining.begin, carriers.peers.answers, carriers.attached.departed),
            Rhythm(settings.lease, settings.lease / 3),
        )
        row = _row(settings, name, ports)
        member = await house.enter_async_context(membership(kept.registry, directory, row, duties, rhythm))
        await announce()
        leaving = Leaving(member, directory, draining, (carriers.attached, arrivals))

        services: list[Service] = [
            AgentService(
                outgoing, Elsewhere(calls, directory, carriers.peers, (name, ids)), returning, settings.payload_limit
            ),
            AgentHostService(carriers.attached),
            PeerService(arrivals, calls, ids, leaving.here),
            RegistryService(
                directory,
                Registrar(
                    kept.registry,
                    directory,
                    name,
                    Drains(name, leaving.here, directory, (kept.registry, carriers.peers)).drain,
                ),
                name,
            ),
            SessionService(kept.sessions),
            CacheService(kept.values, kept.topics),
            AccessService(
                kept.grants,
                Granting(kept.grants, following, decisions.roots),
                decisions,
                known.issuing,
                frozen.switch,
            ),
            AuditService(kept.audit, audited.watching, audited.tap, name),
            LimitService(kept.limits, limits.rules, limits.limiter, directory),
            WorkflowService(Library(kept.templates, DirectoryAgents(directory))),
        ]
        standing = Standing(
            [service.descriptor.full_name for service in services], draining, directory, limits.limiter.alone
        )
        await house.enter_async_context(watching(kept.pings(), standing.told))
        work = gauges.Work(
            calls, carriers.hosted, carriers.attached, carriers.endpoints, lookups, draining, traffic.open_streams
        )
        figures = Figures(
            registry,
            (
                *gauges.of_directory(directory),
                *gauges.of_work(work),
                *gauges.of_stores(standing.stores, kept.pools()),
                *gauges.of_membership(member.renewals),
                *of_ways(Ways(carriers.peers, arrivals, layers.copies, layers.retry.tries, layers.hedges)),
                *of_streams(writers, outliving, heirs),
                *of_people(known.shown()),
                *gauges.of_audit(audited.records()),
                *gauges.of_tracing(tracing.counts),
                *gauges.of_tallies(gauges.Tallies()),
                *of_limits(limits.limiter),
            ),
        )
        rooms = (incoming, outgoing, traffic, standing, figures, known.peers, ids)
        await house.enter_async_context(doors.opened(settings, ports, services, rooms))
        yield Node(
            name,
            doors.place(settings.host, ports.grpc),
            doors.place(settings.http_host, ports.http),
            key_file,
            draining,
            standing,
            leaving,
        )


def _roots(settings: Settings) -> frozenset[Principal]:
    """Those who hold every permission, and give the first ones away."""
    return frozenset((DEVELOPER, *(checked_principal("administrators", name) for name in settings.administrators)))


def _row(settings: Settings, name: str, ports: Ports) -> NodeRow:
    """The node as it enters the registry."""
    host = settings.advertise_host or settings.host
    return NodeRow(
        name,
        doors.place(host, ports.grpc),
        doors.place(host, ports.peers),
        region=settings.region,
        zone=settings.zone,
        version=version("a2a-node"),
    )

"""The builder: everything of a node is made here, top to bottom, and unmade in reverse."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry

from a2a_node.access.decisions import Decisions
from a2a_node.access.following import Following
from a2a_node.access.granting import Granting
from a2a_node.access.uses import Uses
from a2a_node.agent import Agent
from a2a_node.mesh.announcing import announced
from a2a_node.mesh.attach_stream import Rules
from a2a_node.mesh.attached import Attached
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.endpoint import Endpoints
from a2a_node.mesh.hosted import Hosted
from a2a_node.mesh.inside import Inside
from a2a_node.mesh.lines import Bounds
from a2a_node.mesh.loading import loaded
from a2a_node.mesh.membership import Duties, Rhythm, membership
from a2a_node.mesh.once import Lookups, cached, idempotent
from a2a_node.mesh.registrar import Registrar
from a2a_node.mesh.route import balance, carry, resolve
from a2a_node.model.agents import InstanceKind
from a2a_node.model.call import Call, Proceed, folded
from a2a_node.model.errors import AgentNotFound, SettingInvalid
from a2a_node.model.nodes import Node as NodeRow
from a2a_node.model.ports import Carrier, Grants, Outcomes, Registry, Sessions, Topics, Values
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.ops.echo import agent as echo
from a2a_node.pipeline.auth import KnownKeys, auth
from a2a_node.pipeline.envelope import EnvelopeRules, envelope
from a2a_node.pipeline.keys import development_key
from a2a_node.pipeline.metrics import Traffic
from a2a_node.pipeline.permit import Permit, Place
from a2a_node.pipeline.server import Front, Service, handlers_of, serving, standard_handlers
from a2a_node.services.access import AccessService
from a2a_node.services.agent import QUESTIONS, AgentService
from a2a_node.services.agent_host import AgentHostService
from a2a_node.services.cache import CacheService
from a2a_node.services.registry import RegistryService
from a2a_node.services.session import SessionService
from a2a_node.services.standard import standard_services
from a2a_node.services.standing import Standing
from a2a_node.settings import Settings
from a2a_node.store import postgres, redis
from a2a_node.store.grants import PostgresGrants
from a2a_node.store.identity import node_id
from a2a_node.store.outcomes import RedisOutcomes
from a2a_node.store.pool import Pool
from a2a_node.store.postgres import Postgres
from a2a_node.store.redis import Redis
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.sessions import keeping
from a2a_node.store.topics import RedisTopics
from a2a_node.store.upgrading import migrated
from a2a_node.store.values import RedisValues
from a2a_node.store.wakeups import listening
from a2a_node.store.watch import watching
from a2a_node.web import app as web
from a2a_node.web import gauges, process
from a2a_node.web.figures import Figures

DEVELOPER = Principal("person", "dev")  # has the development key, and owns what the node hosts
GRACE = 0.5  # seconds that streams get to end once the calls have ended


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs."""

    id: str
    grpc_address: str
    http_address: str
    key_file: Path
    draining: Draining
    standing: Standing
    attached: Attached

    async def asked_to_drain(self) -> None:
        """Wait until somebody tells the node to drain, by DrainNode."""
        await self.draining.asked()

    async def drained(self) -> int:
        """Take no new calls and let those under way end, in the time that they get; how many did not."""
        self.draining.begin()
        self.attached.drain()
        await self.standing.report()
        return await self.draining.finished()


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the node listens."""

    grpc: int
    http: int

    def addresses(self, host: str) -> tuple[str, str]:
        """Of gRPC and of HTTP."""
        return f"{host}:{self.grpc}", f"{host}:{self.http}"


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept outside of the process."""

    database: Postgres
    shared: Redis
    registry: Registry
    outcomes: Outcomes
    sessions: Sessions
    values: Values
    topics: Topics
    grants: Grants

    def pings(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """How to ask each store whether it is there."""
        return {"postgres": self.database.ping, "redis": self.shared.ping}

    def pools(self) -> Mapping[str, Callable[[], Pool]]:
        """How to ask each store for its pool."""
        return {"postgres": self.database.pool, "redis": self.shared.pool}


@dataclass(frozen=True, slots=True)
class Carriers:
    """What takes a call to an instance."""

    hosted: Hosted
    attached: Attached
    endpoints: Endpoints

    def by_kind(self) -> Mapping[InstanceKind, Carrier]:
        """The carrier of each kind of instance."""
        return {
            InstanceKind.HOSTED: self.hosted,
            InstanceKind.ATTACHED: self.attached,
            InstanceKind.ENDPOINT: self.endpoints,
        }


@dataclass(frozen=True, slots=True)
class Layers:
    """What the two lists of layers need."""

    settings: Settings
    directory: Directory
    calls: Calls
    draining: Draining
    keys: KnownKeys
    decisions: Decisions
    outcomes: Outcomes
    carriers: Carriers
    node_id: str
    traffic: Traffic
    lookups: Lookups

    def incoming(self) -> Proceed:
        """What every RPC passes, outermost first."""
        rules = EnvelopeRules(self.settings.default_deadline, self.settings.max_deadline, self.settings.max_hops)
        place = Place(self.node_id, self.settings.region, self.settings.zone)
        return folded(
            [
                self.traffic.layer,  # outside auth, so that refusals are counted
                envelope(rules, self.calls.parent_of, self._revisits),  # before anything is spent on the call
                auth(self.keys),  # nobody unknown goes further
                Permit(
                    self.decisions, place, self._owner
                ).check,  # after auth: what somebody may do depends on who it is
                self.draining.refuse,  # after auth: only those who are known learn how the node stands
            ],
            _rest,
        )

    def outgoing(self) -> Proceed:
        """What every invocation passes on its way to an agent, outermost first."""
        carriers = self.carriers.by_kind()
        return folded(
            [
                resolve(self.directory),  # a name that nobody has costs nothing more
                self.calls.track,  # around all work, so that it can be cancelled and looked up
                idempotent(self.outcomes),  # above the cache: a kept outcome is an answer, too
                cached(self.outcomes, self.lookups),  # one agent call for many equal ones
                balance(self.directory, carriers, self.node_id),  # picks the instance
            ],
            carry(carriers),
        )

    def _owner(self, agent: str) -> str:
        try:
            return self.directory.find(agent).agent.owner
        except AgentNotFound:
            return ""

    def _revisits(self, agent: str) -> int:
        try:
            return self.directory.find(agent).agent.descriptor.max_revisits
        except AgentNotFound:
            return 0


@asynccontextmanager
async def running(settings: Settings, postgres_url: str, redis_url: str) -> AsyncIterator[Node]:
    """Run a node on those stores until the block ends; SettingInvalid and StoreUnavailable say why it cannot start."""
    async with AsyncExitStack() as house:
        name = node_id(settings.data_dir, settings.node_id)
        key, key_file = development_key(settings.data_dir)
        agents = loaded(settings.agent, [echo] if settings.echo else [])
        ports = Ports(_port(settings, "grpc_port"), _port(settings, "http_port"))

        # The node's own: nodes that share a process, as in tests, count apart. Rooms count on it or in plain numbers.
        registry = CollectorRegistry()
        process.told(registry, version("a2a-node"), name)
        await house.enter_async_context(process.timed(registry))
        stores = await house.enter_async_context(_stores(postgres_url, redis_url))
        directory = await house.enter_async_context(Directory.following(stores.registry))
        following = await house.enter_async_context(Following.grants_of(stores.grants))
        decisions = Decisions(following, Uses(stores.grants), _roots(settings))
        calls, traffic, lookups = Calls(), Traffic(registry, directory), Lookups()
        draining, inside = Draining(name, calls, settings.drain), Inside(name)
        carriers = await house.enter_async_context(_carriers(settings, name, agents, (stores, directory, inside)))
        layers = Layers(
            settings=settings,
            directory=directory,
            calls=calls,
            draining=draining,
            keys=KnownKeys({key: DEVELOPER}),
            decisions=decisions,
            outcomes=stores.outcomes,
            carriers=carriers,
            node_id=name,
            traffic=traffic,
            lookups=lookups,
        )
        incoming, outgoing = layers.incoming(), layers.outgoing()
        inside.opens(incoming, outgoing)

        async def announce() -> None:
            await directory.reached(await announced(stores.registry, name, agents, str(DEVELOPER)))
            await carriers.attached.reannounce()

        duties, rhythm = Duties(announce, draining.begin), Rhythm(settings.lease, settings.lease / 3)
        row = _row(settings, name, ports)
        member = await house.enter_async_context(membership(stores.registry, directory, row, duties, rhythm))
        await announce()

        services: list[Service] = [
            AgentService(outgoing, calls, settings.payload_limit),
            AgentHostService(carriers.attached),
            RegistryService(directory, Registrar(stores.registry, directory, name, member.drain), name),
            SessionService(stores.sessions),
            CacheService(stores.values, stores.topics),
            AccessService(stores.grants, Granting(stores.grants, following, decisions.roots), decisions, name),
        ]
        standing = Standing([service.descriptor.full_name for service in services], draining, directory)
        await house.enter_async_context(watching(stores.pings(), standing.told))
        work = gauges.Work(
            calls, carriers.hosted, carriers.attached, carriers.endpoints, lookups, draining, traffic.open_streams
        )
        figures = Figures(
            registry,
            (
                *gauges.of_directory(directory),
                *gauges.of_work(work),
                *gauges.of_stores(standing.stores, stores.pools()),
                *gauges.of_membership(member.renewals),
            ),
        )
        await house.enter_async_context(_doors(settings, ports, services, (incoming, traffic, standing, figures)))
        yield Node(name, *ports.addresses(settings.host), key_file, draining, standing, carriers.attached)


@asynccontextmanager
async def _stores(postgres_url: str, redis_url: str) -> AsyncIterator[Stores]:
    """The stores behind their ports, the schema of Postgres up to date."""
    async with AsyncExitStack() as house:
        await migrated(postgres_url)
        database = await house.enter_async_context(postgres.connected(postgres_url))
        shared = await house.enter_async_context(redis.connected(redis_url))
        wakeups = await house.enter_async_context(listening(shared))
        sessions = await house.enter_async_context(keeping(shared, database))
        yield Stores(
            database,
            shared,
            PostgresRegistry(database),
            RedisOutcomes(shared, wakeups),
            sessions,
            RedisValues(shared),
            RedisTopics(shared, wakeups),
            PostgresGrants(database),
        )


@asynccontextmanager
async def _carriers(
    settings: Settings, name: str, agents: Mapping[str, Agent], rooms: tuple[Stores, Directory, Inside]
) -> AsyncIterator[Carriers]:
    """Whatever takes a call to an instance, by the kind of instance."""
    stores, directory, inside = rooms
    hosted = Hosted(agents, inside, config_of=lambda agent: directory.find(agent).agent.descriptor.config)
    with hosted.watching(asyncio.get_running_loop()):
        async with (
            Endpoints.reaching(directory.serves, Bounds(settings.payload_limit)) as endpoints,
            Attached.carrying(name, stores.registry, directory, Rules(settings.payload_limit)) as attached,
        ):
            yield Carriers(hosted, attached, endpoints)


@asynccontextmanager
async def _doors(
    settings: Settings, ports: Ports, services: Sequence[Service], rooms: tuple[Proceed, Traffic, Standing, Figures]
) -> AsyncIterator[None]:
    """HTTP first, so that whoever waits for gRPC finds both."""
    incoming, traffic, standing, figures = rooms
    front = Front(incoming, QUESTIONS)
    handlers = handlers_of(services, front)
    for register in standard_services(standing.health, [service.descriptor.full_name for service in services]):
        handlers |= standard_handlers(register, front)
    traffic.serves(handlers)
    address = f"{settings.host}:{ports.grpc}"
    async with (
        web.serving(settings.host, ports.http, web.app(standing.readiness, figures)),
        serving(address, handlers, front, payload_limit=settings.payload_limit, grace=GRACE),
    ):
        yield


async def _rest(call: Call) -> None:
    """The end of the incoming layers: what the RPC itself does."""
    await call.rest(call)


def _roots(settings: Settings) -> frozenset[Principal]:
    """Those who hold every permission, and give the first ones away."""
    return frozenset((DEVELOPER, *(checked_principal("administrators", name) for name in settings.administrators)))


def _row(settings: Settings, name: str, ports: Ports) -> NodeRow:
    """The node as it enters the registry."""
    address, _ = ports.addresses(settings.host)
    return NodeRow(name, address, region=settings.region, zone=settings.zone, version=version("a2a-node"))


def _port(settings: Settings, setting: str) -> int:
    """The port that a setting names, or a free one for 0; SettingInvalid when somebody listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, getattr(settings, setting)))
        except OSError as error:
            place = f"{settings.host}:{getattr(settings, setting)}"
            raise SettingInvalid(setting, f"{place} cannot be listened on: {error.strerror}") from None
        return int(probe.getsockname()[1])

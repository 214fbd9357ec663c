"""The builder: everything of a node is made here, top to bottom, and unmade in reverse."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

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
from a2a_node.mesh.once import cached, idempotent
from a2a_node.mesh.registrar import Registrar
from a2a_node.mesh.route import balance, carry, resolve
from a2a_node.model.agents import InstanceKind
from a2a_node.model.call import Call, Proceed, folded
from a2a_node.model.errors import AgentNotFound, SettingInvalid
from a2a_node.model.nodes import Node as NodeRow
from a2a_node.model.ports import Carrier, Outcomes
from a2a_node.model.principal import Principal
from a2a_node.ops.echo import agent as echo
from a2a_node.pipeline.auth import KnownKeys, auth
from a2a_node.pipeline.envelope import EnvelopeRules, envelope
from a2a_node.pipeline.keys import development_key
from a2a_node.pipeline.server import Front, Handler, Service, handlers_of, serving, standard_handlers
from a2a_node.services.agent import QUESTIONS, AgentService
from a2a_node.services.agent_host import AgentHostService
from a2a_node.services.registry import RegistryService
from a2a_node.services.standard import Health, standard_services
from a2a_node.settings import Settings
from a2a_node.store import migrate, postgres, redis
from a2a_node.store.identity import node_id
from a2a_node.store.outcomes import RedisOutcomes
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.wakeups import Wakeups
from a2a_node.store.watch import watching
from a2a_node.web import app as web

DEVELOPER = Principal("person", "dev")
GRACE = 0.5  # seconds that streams get to end once the calls have ended
SUFFERING = {
    "postgres": ("a2amesh.v1.RegistryService",),
    "redis": ("a2amesh.v1.SessionService", "a2amesh.v1.CacheService"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs."""

    id: str
    grpc_address: str
    http_address: str
    key_file: Path
    draining: Draining
    health: Health
    attached: Attached

    async def asked_to_drain(self) -> None:
        """Wait until somebody tells the node to drain, by DrainNode."""
        await self.draining.asked()

    async def drained(self) -> int:
        """Take no new calls and let those under way end, in the time that they get; how many did not."""
        self.draining.begin()
        self.attached.drain()
        await self.health.report(serving=False)
        return await self.draining.finished()


@dataclass(frozen=True, slots=True)
class Layers:
    """What the two lists of layers need."""

    settings: Settings
    directory: Directory
    calls: Calls
    draining: Draining
    keys: KnownKeys
    outcomes: Outcomes
    carriers: Mapping[InstanceKind, Carrier]
    node_id: str

    def incoming(self) -> Proceed:
        """What every RPC passes, outermost first."""
        rules = EnvelopeRules(self.settings.default_deadline, self.settings.max_deadline, self.settings.max_hops)
        return folded(
            [
                envelope(rules, self.calls.parent_of, self._revisits),  # before anything is spent on the call
                auth(self.keys),  # nobody unknown goes further
                self.draining.refuse,  # after auth: only those who are known learn how the node stands
            ],
            _rest,
        )

    def outgoing(self) -> Proceed:
        """What every invocation passes on its way to an agent, outermost first."""
        return folded(
            [
                resolve(self.directory),  # a name that nobody has costs nothing more
                self.calls.track,  # around all work, so that it can be cancelled and looked up
                idempotent(self.outcomes),  # above the cache: a kept outcome is an answer, too
                cached(self.outcomes),  # one agent call for many equal ones
                balance(self.directory, self.carriers, self.node_id),  # picks the instance
            ],
            carry(self.carriers),
        )

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
        grpc_port = _port(settings.host, settings.grpc_port, "grpc_port")
        http_port = _port(settings.host, settings.http_port, "http_port")
        row = _row(settings, name, grpc_port)

        await migrate.migrated(postgres_url)
        database = await house.enter_async_context(postgres.connected(postgres_url))
        shared = await house.enter_async_context(redis.connected(redis_url))
        wakeups = Wakeups(shared)
        house.push_async_callback(wakeups.close)
        registry, outcomes = PostgresRegistry(database), RedisOutcomes(shared, wakeups)
        directory = await house.enter_async_context(Directory.following(registry))

        calls = Calls()
        draining = Draining(name, calls, settings.drain)
        inside = Inside(name)
        hosted = Hosted(agents, inside, config_of=lambda agent: directory.find(agent).agent.descriptor.config)
        house.enter_context(hosted.watching(asyncio.get_running_loop()))
        endpoints = await house.enter_async_context(
            Endpoints.reaching(directory.serves, Bounds(settings.payload_limit))
        )
        attached = await house.enter_async_context(
            Attached.carrying(name, registry, directory, Rules(settings.payload_limit))
        )
        carriers: dict[InstanceKind, Carrier] = {
            InstanceKind.HOSTED: hosted,
            InstanceKind.ATTACHED: attached,
            InstanceKind.ENDPOINT: endpoints,
        }
        layers = Layers(settings, directory, calls, draining, KnownKeys({key: DEVELOPER}), outcomes, carriers, name)
        incoming, outgoing = layers.incoming(), layers.outgoing()
        inside.opens(incoming, outgoing)

        async def announce() -> None:
            await directory.reached(await announced(registry, name, agents))
            await attached.reannounce()

        rhythm = Rhythm(settings.lease, settings.lease / 3)
        member = await house.enter_async_context(
            membership(registry, directory, row, Duties(announce, draining.begin), rhythm)
        )
        await announce()

        services: list[Service] = [
            AgentService(outgoing, calls, settings.payload_limit),
            AgentHostService(attached),
            RegistryService(directory, Registrar(registry, directory, name, member.drain), name),
        ]
        health = Health([service.descriptor.full_name for service in services])
        away: set[str] = set()

        async def told(names: frozenset[str]) -> None:
            away.clear()
            away.update(names)
            await health.report(serving=not draining.begun, away=_suffering(names))

        def readiness() -> tuple[bool, Mapping[str, str]]:
            stores = {store: "away" if store in away else "ok" for store in ("postgres", "redis")}
            return not draining.begun, stores | {"directory": "behind" if directory.behind else "ok"}

        await house.enter_async_context(watching({"postgres": database.ping, "redis": shared.ping}, told))
        await house.enter_async_context(web.serving(settings.host, http_port, web.app(readiness)))
        front = Front(incoming, QUESTIONS)
        await house.enter_async_context(
            serving(
                f"{settings.host}:{grpc_port}",
                _handlers(services, health, front),
                front,
                payload_limit=settings.payload_limit,
                grace=GRACE,
            )
        )
        addresses = (f"{settings.host}:{grpc_port}", f"{settings.host}:{http_port}")
        yield Node(name, *addresses, key_file, draining, health, attached)


async def _rest(call: Call) -> None:
    """The end of the incoming layers: what the RPC itself does."""
    await call.rest(call)


def _handlers(services: Sequence[Service], health: Health, front: Front) -> dict[str, Handler]:
    """All that the server serves: our own services, those of the contract that are not built, and the standard ones."""
    names = [service.descriptor.full_name for service in services]
    handlers = handlers_of(services, front)
    for register in standard_services(health, names):
        handlers |= standard_handlers(register, front)
    return handlers


def _suffering(away: frozenset[str]) -> list[str]:
    """The services that cannot do their work while those stores are away."""
    return [name for store in away for name in SUFFERING[store]]


def _row(settings: Settings, name: str, grpc_port: int) -> NodeRow:
    """The node as it enters the registry."""
    return NodeRow(
        id=name,
        address=f"{settings.host}:{grpc_port}",
        region=settings.region,
        zone=settings.zone,
        version=version("a2a-node"),
    )


def _port(host: str, port: int, setting: str) -> int:
    """The port, or a free one for 0; SettingInvalid when somebody listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingInvalid(setting, f"{host}:{port} cannot be listened on: {error.strerror}") from None
        return int(probe.getsockname()[1])

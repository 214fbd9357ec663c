"""A node's server over real gRPC with all that clients and attached agents need, on stores in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from a2a_node.access.credentials import KnownKeys
from a2a_node.client import MeshClient
from a2a_node.mesh.attach_stream import Rules
from a2a_node.mesh.attached import Attached
from a2a_node.mesh.balance import Balance, Place
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.copies import Copies
from a2a_node.mesh.directory import Directory, Habits
from a2a_node.mesh.registrar import Registrar
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.route import carry, reach, resolve
from a2a_node.model.agents import InstanceKind
from a2a_node.model.call import Call, folded
from a2a_node.model.names import fresh_uuid
from a2a_node.model.nodes import Node, NodeStatus, Progress
from a2a_node.model.principal import Principal
from a2a_node.pipeline.auth import auth
from a2a_node.pipeline.envelope import EnvelopeRules, Envelopes
from a2a_node.pipeline.server import Door, Front, Service, handlers_of, serving
from a2a_node.pipeline.steps import Parents
from a2a_node.services.agent import AgentService, questions
from a2a_node.services.agent_host import AgentHostService
from a2a_node.services.cache import CacheService
from a2a_node.services.registry import RegistryService
from a2a_node.services.session import SessionService
from a2a_node.testing import MemoryRegistry, MemorySessions, MemoryStreams, MemoryTopics, MemoryValues, OneSecret
from a2a_node.wire.seals import Seals
from tests.integration.alone import alone

KEY, OTHER_KEY = "the-key", "another-key"
NODE = "n1"
LIMIT = 100_000
RULES = Rules(payload_limit=LIMIT)


@dataclass(frozen=True)
class House:
    """A node that runs, as far as attached agents need one."""

    port: int
    registry: MemoryRegistry
    directory: Directory
    attached: Attached
    calls: Calls

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def house(port: int = 0, rules: Rules = RULES, registry: MemoryRegistry | None = None) -> AsyncIterator[House]:
    """A node, until the block ends."""
    registry, calls = registry or MemoryRegistry(), Calls()
    await registry.join(Node(NODE, "127.0.0.1:1"), 60)
    async with AsyncExitStack() as stack:
        directory = await stack.enter_async_context(Directory.following(registry, Habits(first_wait=0.01)))
        attached = await stack.enter_async_context(Attached.carrying(NODE, registry, directory, rules))
        carriers = {InstanceKind.ATTACHED: attached}
        reaches = reach(carriers, attached, NODE)
        balance = Balance(directory, reaches, Copies(directory.has), Place(NODE))
        leaf = carry(carriers, attached, NODE)
        outgoing = folded([resolve(directory), calls.track, balance.layer], leaf)
        keys = KnownKeys({KEY: Principal("person", "dev"), OTHER_KEY: Principal("person", "eve")})
        parents = Parents(calls.parent_of, "")
        envelopes = Envelopes(EnvelopeRules(), parents.of, lambda _: 0, Seals(NODE, OneSecret()), lambda _: None)
        front = Front(folded([envelopes.check, auth(keys)], _rest), questions(fresh_uuid))

        async def drain(*_: object) -> Progress:
            await directory.reached(await registry.set_status(NODE, NodeStatus.DRAINING))
            return Progress(0)

        services: list[Service] = [
            AgentService(outgoing, alone(calls), Returning(MemoryStreams(), calls, 15), LIMIT),
            AgentHostService(attached),
            RegistryService(directory, Registrar(registry, directory, NODE, drain), NODE),
            SessionService(MemorySessions()),
            CacheService(MemoryValues(), MemoryTopics()),
        ]
        handlers = handlers_of(services, front)
        (bound,) = await stack.enter_async_context(
            serving([Door(f"127.0.0.1:{port}")], handlers, front, payload_limit=LIMIT, grace=0)
        )
        yield House(bound, registry, directory, attached, calls)


def client(house: House) -> MeshClient:
    """A client of the node."""
    return MeshClient(house.address, KEY)


def quick(rules: Rules, silence: float) -> Rules:
    """The same rules with less patience."""
    return replace(rules, silence=silence)


async def _rest(call: Call) -> None:
    await call.rest(call)

"""What built-in agents change of the mesh: the same work as that of the RPCs, let through by the same layers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from a2a_node.limits.rules import Rules
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.call import Terms
from a2a_node.model.errors import AgentNotFound, CapabilityNotFound, DeadlineExceeded, InternalError
from a2a_node.model.limit_ports import Limits
from a2a_node.model.limits import Limit, LimitKey, Rate, checked_rate
from a2a_node.model.names import checked_name, checked_uuid
from a2a_node.model.ops_ports import Deed, Deputy
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.model.server_checks import checked_server_id
from a2a_node.model.servers import Server, ServerStatus, Wish
from a2a_node.model.tool_ports import Servers

SET_LIMIT, RESET_LIMIT = "/a2amesh.v1.LimitService/SetLimit", "/a2amesh.v1.LimitService/ResetLimit"
UPDATE_AGENT, DRAIN_NODE = "/a2amesh.v1.RegistryService/UpdateAgent", "/a2amesh.v1.RegistryService/DrainNode"

DEREGISTER, RESTART = "/a2amesh.v1.RegistryService/DeregisterAgent", "/a2amesh.v1.ToolService/RestartServer"
LONGEST_RESTART, MARGIN, LOOK = 60.0, 1.0, 0.1  # seconds until a server answers, kept for the answer, between two looks


class Deeds:
    """See `model.ops_ports.MeshChanges`. Agents are changed by whoever is at the root of the call, as their owner."""

    def __init__(self, deputy: Deputy, directory: Directory, limits: Limits, servers: Servers) -> None:
        self._deputy = deputy
        self._directory = directory
        self._limits = limits
        self._servers = servers
        self._late: tuple[Rules, Registrar] | None = None

    def opens(self, rules: Rules, registrar: Registrar) -> None:
        """From now on there is something to change: both are made after the agents."""
        self._late = rules, registrar

    def limit(self, key: LimitKey) -> Limit:
        """The limit that applies to a key, set or not."""
        return self._rules.limit(key, self._offered(key))

    async def set_limit(self, terms: Terms, key: LimitKey, rate: Rate) -> None:
        """Set the limit of a key; InvalidInput, PermissionDenied."""
        key, rate = _checked(key), checked_rate(rate.rate, rate.burst)

        async def work(root: Principal) -> None:
            revision = (await self._limits.put(key, rate, str(root)))[1]
            await self._rules.reached(revision)

        await self._deputy.act(Deed(SET_LIMIT, _target(key)), terms, work)

    async def reset_limit(self, terms: Terms, key: LimitKey) -> None:
        """Forget the limit of a key, if there is one; InvalidInput, PermissionDenied."""
        key = _checked(key)

        async def work(_: Principal) -> None:
            revision = (await self._limits.remove(key))[1]
            await self._rules.reached(revision)

        await self._deputy.act(Deed(RESET_LIMIT, _target(key)), terms, work)

    def agent(self, name: str) -> tuple[AgentDescriptor, bool]:
        """An agent, and whether it is enabled; AgentNotFound."""
        found = self._directory.find(name).agent
        return found.descriptor, found.enabled

    def copies(self, name: str) -> Sequence[str]:
        """The ids of the copies of an agent, none of an unknown one."""
        with suppress(AgentNotFound):
            return [copy.id for copy in self._directory.find(name).instances]
        return ()

    async def update_agent(self, terms: Terms, name: str, changes: Mapping[str, object]) -> None:
        """Change `enabled` or `config` of an agent; AgentNotFound, AgentOwned, InvalidInput, PermissionDenied."""

        async def work(root: Principal) -> None:
            await self._registrar.update(name, changes, root)

        await self._deputy.act(Deed(UPDATE_AGENT, f"agent:{checked_name('agent', name)}"), terms, work)

    async def drain_instance(self, terms: Terms, agent: str, instance_id: str) -> None:
        """Have a copy of an agent take no new calls; AgentOwned, InstanceNotFound, PermissionDenied."""
        target = f"agent:{checked_name('agent', agent)} instance:{checked_uuid('instance', instance_id)}"

        async def work(root: Principal) -> None:
            await self._registrar.drain_instance(agent, instance_id, root)

        await self._deputy.act(Deed(DEREGISTER, target), terms, work)

    async def restart_server(self, terms: Terms, server_id: str) -> None:
        """Restart an MCP server, and wait until it answers; ServerNotFound, DeadlineExceeded, PermissionDenied."""

        async def work(_: Principal) -> datetime:
            return (await self._servers.wish(server_id, Wish.RUN, restart=True)).updated_at

        target = f"server:{checked_server_id('server', server_id)}"
        wished_at = await self._deputy.act(Deed(RESTART, target), terms, work)
        left = LONGEST_RESTART if terms.time_left is None else max(0.0, terms.time_left - MARGIN)
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                while True:
                    if _runs_since(await self._servers.get(server_id), wished_at):
                        return
                    await asyncio.sleep(LOOK)
        raise DeadlineExceeded(left)

    async def drain_node(self, terms: Terms, node_id: str) -> None:
        """Tell a node to take no new work; NodeNotFound, PermissionDenied."""

        async def work(_: Principal) -> None:
            await self._registrar.drain(node_id, None, 0.0)

        await self._deputy.act(Deed(DRAIN_NODE, f"node:{checked_name('node', node_id)}"), terms, work)

    @property
    def _rules(self) -> Rules:
        return self._opened()[0]

    @property
    def _registrar(self) -> Registrar:
        return self._opened()[1]

    def _opened(self) -> tuple[Rules, Registrar]:
        if self._late is None:
            raise InternalError
        return self._late

    def _offered(self, key: LimitKey) -> AgentCapability | None:
        if key.agent and key.capability:
            with suppress(AgentNotFound, CapabilityNotFound):
                return self._directory.find(key.agent).agent.descriptor.capability(key.capability)
        return None


def _checked(key: LimitKey) -> LimitKey:
    if key.principal:
        checked_principal("principal", key.principal)
    if key.agent:
        checked_name("agent", key.agent)
    if key.capability:
        checked_name("capability", key.capability)
    return key


def _runs_since(server: Server, moment: datetime) -> bool:
    """Whether each copy of it was started after a moment, and answers."""
    return bool(server.copies) and all(
        copy.status is ServerStatus.RUNNING and copy.started_at is not None and copy.started_at >= moment
        for copy in server.copies
    )


def _target(key: LimitKey) -> str:
    return f"{key.principal} agent:{key.agent}:{key.capability}".strip()

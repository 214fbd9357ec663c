"""What agents hear of their node and may do to the mesh: made only for nodes that host such agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client.registry import CollectorRegistry

from a2a_node.limits.rules import Rules
from a2a_node.mesh.background import background
from a2a_node.mesh.deputy import Deputy
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.call import Proceed
from a2a_node.model.limit_ports import Limits
from a2a_node.model.tool_ports import Servers
from a2a_node.node.auditing import Audited
from a2a_node.node.stores import Stores
from a2a_node.ops.incidents.history import History
from a2a_node.ops.incidents.logs import listening
from a2a_node.ops.incidents.senses import Hands, Senses
from a2a_node.services.deeds import Deeds
from a2a_node.web.meters import RegistryMeters


@dataclass(frozen=True, slots=True)
class Acting:
    """What agents do to the mesh, which begins once the layers are folded."""

    deputy: Deputy
    deeds: Deeds

    @classmethod
    def of(cls, node_id: str, directory: Directory, limits: Limits, servers: Servers) -> Acting:
        """For agents of a node."""
        deputy = Deputy(node_id)
        return cls(deputy, Deeds(deputy, directory, limits, servers))

    @property
    def hands(self) -> Hands:
        """What agents are given of it."""
        return Hands(self.deputy, self.deeds)

    def opens(self, incoming: Proceed, rules: Rules, registrar: Registrar) -> None:
        """From now on deeds pass the incoming layers, and the registrar does them."""
        self.deeds.opens(rules, registrar)
        self.deputy.opens(incoming)


@asynccontextmanager
async def sensing(registry: CollectorRegistry, audited: Audited, kept: Stores) -> AsyncIterator[Senses | None]:
    """Hear what happens on the node until the block ends; None where its calls are not kept, for no agent asks."""
    if audited.recent is None:
        yield None
        return
    history = History(RegistryMeters(registry))
    with listening() as lines:
        async with background(history.watch):
            yield Senses(history, audited.recent, lines, kept.audit, kept.runs)

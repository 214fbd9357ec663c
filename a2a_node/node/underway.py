"""The calls under way on a node: where they come from, what counts them, and when no more are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from prometheus_client.registry import CollectorRegistry

from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.giving_way import GivingWay
from a2a_node.mesh.inside import Inside
from a2a_node.mesh.once import Lookups
from a2a_node.model.call_ids import CallIds
from a2a_node.node.carriers import link_rules
from a2a_node.node.itself import Itself
from a2a_node.pipeline.metrics import Traffic


@dataclass(frozen=True, slots=True)
class Underway:
    """What knows of calls under way."""

    calls: Calls
    ids: CallIds
    traffic: Traffic
    lookups: Lookups
    draining: Draining
    giving_way: GivingWay
    inside: Inside  # calls of agents that the node hosts
    arrivals: Arrivals  # calls that other nodes bring

    @classmethod
    def of(cls, itself: Itself, directory: Directory, registry: CollectorRegistry) -> Self:
        """For a node without any call yet."""
        name, settings = itself.name, itself.settings
        calls, ids = Calls(), CallIds(name)
        return cls(
            calls,
            ids,
            Traffic(registry, directory),
            Lookups(),
            Draining(name, calls, settings.drain),
            GivingWay(settings.steps_apart),
            Inside(name, ids.fresh),
            Arrivals(name, link_rules(settings), calls.stop),
        )

"""The rooms of a node, which its layers, services, figures and doors are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.registry import CollectorRegistry

from a2a_node.agent import Agent
from a2a_node.node.carriers import Carriers
from a2a_node.node.freezing import Frozen
from a2a_node.node.itself import Itself
from a2a_node.node.knowledge import Knowledge
from a2a_node.node.limits import Limits
from a2a_node.node.senses import Acting
from a2a_node.node.stores import Stores
from a2a_node.node.streams import Streams
from a2a_node.node.underway import Underway
from a2a_node.settings import Settings
from a2a_node.tracing.exporting import Tracing
from a2a_node.wire.awake import Awake


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms of a node, in the order in which they are made."""

    itself: Itself
    tracing: Tracing
    registry: CollectorRegistry
    kept: Stores
    knowledge: Knowledge
    underway: Underway
    acting: Acting
    agents: Mapping[str, Agent]  # all that the node hosts from its start, by name
    carriers: Carriers
    limits: Limits
    streams: Streams
    frozen: Frozen
    awake: Awake

    @property
    def name(self) -> str:
        """The node's id."""
        return self.itself.name

    @property
    def settings(self) -> Settings:
        """What the node was told."""
        return self.itself.settings

"""A node before it has asked any store: what it was told, its name and key, its own agents, and where it is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

from a2a_node.agent import Agent
from a2a_node.model.nodes import Node as NodeRow
from a2a_node.model.places import EngineDoor
from a2a_node.model.principal import Principal, checked_principal
from a2a_node.node import operations
from a2a_node.node.engine_door import engine_door
from a2a_node.node.ports import Ports, place
from a2a_node.pipeline.keys import development_key
from a2a_node.settings import Settings
from a2a_node.store.identity import node_id

DEVELOPER = Principal("person", "dev")  # has the development key, and owns what the node hosts


@dataclass(frozen=True, slots=True)
class Itself:
    """A node by itself."""

    settings: Settings
    name: str
    key: str = field(repr=False)  # the development key
    key_file: Path
    agents: Mapping[str, Agent]  # those that it hosts and that need nothing of it
    ports: Ports
    engine: EngineDoor

    @classmethod
    @contextmanager
    def prepared(cls, settings: Settings) -> Iterator[Self]:
        """Hold what the node needs of its machine until the block ends; SettingInvalid says what it cannot have."""
        name = node_id(settings.data_dir, settings.node_id)
        key, key_file = development_key(settings.data_dir)
        agents = operations.begun(settings)
        with Ports.kept(settings) as ports, engine_door(settings.data_dir, name) as engine:
            yield cls(settings, name, key, key_file, agents, ports, engine)

    @property
    def passphrase(self) -> str:
        """What the secrets of the mesh are hidden with."""
        return self.settings.mesh_passphrase.get_secret_value()

    @property
    def roots(self) -> frozenset[Principal]:
        """Those who hold every permission, and give the first ones away."""
        named = (checked_principal("administrators", name) for name in self.settings.administrators)
        return frozenset((DEVELOPER, *named))

    @property
    def labels(self) -> Mapping[str, str]:
        """What tells the node from others, by name."""
        return dict(label.split("=", 1) for label in self.settings.labels)

    @property
    def row(self) -> NodeRow:
        """The node as it enters the registry."""
        settings = self.settings
        host = settings.advertise_host or settings.host
        return NodeRow(
            self.name,
            place(host, self.ports.grpc),
            place(host, self.ports.peers),
            region=settings.region,
            zone=settings.zone,
            labels=dict(self.labels),
            version=version("a2a-node"),
        )

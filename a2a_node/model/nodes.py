"""What a node is to the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class NodeStatus(StrEnum):
    """How a node stands."""

    ALIVE = "alive"
    DRAINING = "draining"
    SUSPECT = "suspect"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a node is that drains."""

    running: int  # calls under way
    drained: bool = False  # it has waited long enough, and closes now
    begun: bool = True  # by whoever is told this, or with another time; False for whoever only looked


@dataclass(frozen=True, slots=True)
class Node:
    """One process of this software."""

    id: str
    address: str
    peer_address: str = ""
    region: str = ""
    zone: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    status: NodeStatus = NodeStatus.ALIVE
    started_at: datetime | None = None
    lease_until: datetime | None = None
    revision: int = 0

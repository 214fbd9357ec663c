"""State that calls share: sessions, cached values, messages on topics, outcomes that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from a2a_node.model.errors import MeshError
from a2a_node.model.payload import Payload


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation's state; every change makes its version one greater."""

    id: str
    agent_id: str
    user_id: str
    data: Mapping[str, object]
    version: int
    ttl: float  # seconds; every access moves the expiry this far ahead
    created_at: datetime
    last_accessed: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CachedValue:
    """A value and how many seconds it still lives."""

    payload: Payload
    ttl: float


@dataclass(frozen=True, slots=True)
class Message:
    """Something published on a topic; ids grow within the topic."""

    id: str
    payload: Payload
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Said instead of messages that are no longer kept."""

    first_kept: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: its one output, or its error."""

    output: Payload | None = None
    error: MeshError | None = None

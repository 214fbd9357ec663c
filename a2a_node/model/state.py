"""State that calls share: sessions, cached values, messages on topics, outcomes that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from a2a_node.model.errors import MeshError
from a2a_node.model.payload import Payload


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session starts with; an empty id lets the store make one that cannot be guessed."""

    ttl: float  # seconds
    id: str = ""
    agent_id: str = ""
    user_id: str = ""
    data: Mapping[str, object] | None = None


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
class Counter:
    """A cached whole number and how many seconds it still lives."""

    value: int
    ttl: float


@dataclass(frozen=True, slots=True)
class Message:
    """Something published on a topic; ids count from 1 within the topic, without holes."""

    id: int
    payload: Payload
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Started:
    """A subscription continues after this id; a lower one than before says that the topic began again."""

    after: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are no longer kept, from the first to the last of them."""

    first: int
    last: int


TopicEvent = Started | Message | Gap


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: its one output, or its error."""

    output: Payload | None = None
    error: MeshError | None = None

"""What keeps what agents share: sessions, values, topics, as a port.

Every method raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.payload import Payload
from a2a_node.model.state import CachedValue, Counter, Message, NewSession, Session, TopicEvent

SessionPlace: TypeAlias = tuple[datetime, str]  # where a session stands in a list: when it was made, and its id


class Sessions(Protocol):
    """Sessions with sliding expiry: every read and change moves `expires_at` to now + ttl, by the store's clock."""

    async def create(self, new: NewSession) -> Session:
        """Keep a new session at version 1; SessionExists, PayloadTooLarge."""

    async def get(self, session_id: str, *, peek: bool = False) -> Session:
        """Read and keep alive, or only `peek`; SessionNotFound."""

    async def update(
        self, session_id: str, data: Mapping[str, object], *, expected: int | None, merge: bool
    ) -> Session:
        """Replace the data, or merge its top-level keys (None removes one).

        VersionConflict unless `expected` fits or is None; SessionNotFound, PayloadTooLarge.
        """

    async def touch(self, session_id: str, ttl: float | None = None) -> Session:
        """Keep alive, with another ttl when one is given, without reading the data; SessionNotFound."""

    async def delete(self, session_id: str) -> bool:
        """Forget; False when there was none."""

    async def list(
        self, *, user_id: str = "", agent_id: str = "", after: SessionPlace | None = None, limit: int
    ) -> Sequence[Session]:
        """Live sessions without their data, the newest first, after a place; empty filters mean all.

        Does not keep them alive.
        """


class Values(Protocol):
    """Cached values with a time to live in seconds, by namespace and key."""

    async def get(self, namespace: str, key: str) -> CachedValue | None:
        """The value, or None when there is none, or when the store is away: reads miss."""

    async def put(self, namespace: str, key: str, value: CachedValue, *, only_if_absent: bool = False) -> bool:
        """Keep a value for its ttl; False when one was there and `only_if_absent` is set."""

    async def delete(self, namespace: str, key: str) -> bool:
        """Forget a value; False when there was none."""

    async def increment(self, namespace: str, key: str, delta: int, ttl: float) -> Counter:
        """Add to a whole number of 64 bits; an absent one starts at 0 with that ttl. ValueNotNumber."""


class Topics(Protocol):
    """Messages to whoever listens, the last thousand of a topic kept until an hour after the last one."""

    async def publish(self, namespace: str, topic: str, payload: Payload) -> Message:
        """Append a message and hand it to every subscriber."""

    def subscribe(self, namespace: str, topic: str, after: int | None = None) -> AsyncGenerator[TopicEvent, None]:
        """`Started`, then every message after the id `after` once and in order: 0 from the oldest, None from now on.

        A `Gap` stands for messages that are no longer kept, another `Started` for a topic that began again.
        TooManySubscribers. Whoever stops before the end closes the generator.
        """

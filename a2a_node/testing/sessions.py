"""Sessions in memory: what those in Redis and Postgres do, for tests that need neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import orjson

from a2a_node.model.errors import SessionExists, SessionNotFound, VersionConflict
from a2a_node.model.sessions import checked_labels, data_text, merged
from a2a_node.model.state import NewSession, Session
from a2a_node.model.state_ports import SessionPlace
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence

MOMENT = timedelta(microseconds=1)


class MemorySessions(Presence):
    """The port `Sessions` on a dictionary. `lose()` makes it behave as if Redis were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("redis")
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    async def create(self, new: NewSession) -> Session:
        """Keep a new session at version 1; SessionExists, PayloadTooLarge."""
        self.check()
        data = _copied(checked_labels(new).data or {})
        if new.id and self._live(new.id) is not None:
            raise SessionExists(new.id)
        now = self._clock()
        times = {"created_at": now, "last_accessed": now, "expires_at": now + timedelta(seconds=new.ttl)}
        session = Session(new.id or str(uuid4()), new.agent_id, new.user_id, data, version=1, ttl=new.ttl, **times)
        self._sessions[session.id] = session
        return session

    async def get(self, session_id: str, *, peek: bool = False) -> Session:
        """Read and keep alive, or only `peek`; SessionNotFound."""
        session = self._known(session_id)
        return session if peek else self._accessed(session)

    async def update(
        self, session_id: str, data: Mapping[str, object], *, expected: int | None, merge: bool
    ) -> Session:
        """Replace or merge the data; VersionConflict, SessionNotFound, PayloadTooLarge."""
        session = self._known(session_id)
        if expected not in (None, session.version):
            raise VersionConflict(expected or 0, session.version)
        written = _copied(merged(session.data, data) if merge else data)
        return self._accessed(replace(session, data=written, version=session.version + 1))

    async def touch(self, session_id: str, ttl: float | None = None) -> Session:
        """Keep alive, with another ttl when one is given; without its data. SessionNotFound."""
        session = self._known(session_id)
        return replace(self._accessed(replace(session, ttl=ttl or session.ttl)), data={})

    async def delete(self, session_id: str) -> bool:
        """Forget; False when there was none."""
        self.check()
        return self._live(session_id) is not None and self._sessions.pop(session_id, None) is not None

    async def list(
        self, *, user_id: str = "", agent_id: str = "", after: SessionPlace | None = None, limit: int
    ) -> Sequence[Session]:
        """Live sessions without their data, the newest first, after a place; empty filters mean all."""
        self.check()
        found = [
            replace(session, data={})
            for session in sorted(filter(None, map(self._live, list(self._sessions))), key=_place, reverse=True)
            if user_id in ("", session.user_id) and agent_id in ("", session.agent_id)
            if after is None or _place(session) < after
        ]
        return found[:limit]

    def _known(self, session_id: str) -> Session:
        self.check()
        session = self._live(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return session

    def _accessed(self, session: Session) -> Session:
        now = max(self._clock(), session.last_accessed + MOMENT)
        changed = replace(session, last_accessed=now, expires_at=now + timedelta(seconds=session.ttl))
        self._sessions[session.id] = changed
        return changed

    def _live(self, session_id: str) -> Session | None:
        session = self._sessions.get(session_id)
        if session is not None and session.expires_at <= self._clock():
            del self._sessions[session_id]
            return None
        return session


def _place(session: Session) -> SessionPlace:
    return session.created_at, session.id


def _copied(data: Mapping[str, object]) -> dict[str, object]:
    copy: dict[str, object] = orjson.loads(data_text(data))
    return copy

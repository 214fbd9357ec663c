"""The copies of sessions in Redis, which every request reads and changes. Their clock is the one of Redis.

Sessions are spread over a few groups. All keys of a group share a hash tag, so that one script changes a session and
notes in the same step that Postgres does not have it so yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zlib import crc32

import orjson

from a2a_node.model.errors import SessionExists, SessionNotFound, VersionConflict
from a2a_node.model.sessions import data_text
from a2a_node.model.state import NewSession, Session
from a2a_node.store.encoding import microseconds, milliseconds, moment
from a2a_node.store.redis import Argument, Redis, Script, script

TAKE = script("session_take")
CREATE, READ, WRITE, DELETE, INSTALL, SETTLE = (
    script("session", f"session_{name}") for name in ("create", "read", "write", "delete", "install", "settle")
)
FIELDS = ("agent", "user", "version", "ttl", "created", "accessed", "written", "data")
GROUPS = 16
TAKEN = 5.0  # seconds that whoever took a session has to persist it
REMEMBERED = 600.0  # seconds that a deleted session is known to be deleted, once Postgres knows


class NotHot(Exception):
    """Redis does not have the session; whether there is one only Postgres knows."""


@dataclass(frozen=True, slots=True)
class Record:
    """A session as it is stored, one with a ttl of 0 when it was deleted, and when its data was last written."""

    session: Session
    written_at: datetime


class HotSessions:
    """Sessions in Redis. What is live is returned; the rest raises SessionNotFound or NotHot."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, new: NewSession, *, sure: bool) -> Record:
        """Make a session; SessionExists, NotHot where Redis has none and it is not `sure` that Postgres has none."""
        data, life = data_text(new.data or {}), milliseconds(new.ttl)
        said, *more = await self._run(CREATE, new.id, int(sure), new.agent_id, new.user_id, data, life)
        if said == b"live":
            raise SessionExists(new.id)
        return _live(new.id, said, more)

    async def read(self, session_id: str, *, peek: bool = False) -> Record:
        """Read a session, which lives on from here unless it is a `peek`."""
        said, *more = await self._run(READ, session_id, int(peek), "", 0)
        return _live(session_id, said, more)

    async def touch(self, session_id: str, ttl: float | None) -> Record:
        """Let it live on; without its data, unless another ttl is given."""
        said, *more = await self._run(READ, session_id, 0, *(("", 1) if ttl is None else (milliseconds(ttl), 0)))
        return _live(session_id, said, more)

    async def write(self, session_id: str, data: str, expected: int | None, seen: Record | None = None) -> Record:
        """Write its data, at the `expected` version, and only as it was `seen`; VersionConflict."""
        written = "" if seen is None else microseconds(seen.written_at)
        said, *more = await self._run(WRITE, session_id, data, "" if expected is None else expected, written)
        if said == b"conflict":
            actual = int(cast("bytes", more[0]))
            raise VersionConflict(actual if expected is None else expected, actual)
        return _live(session_id, said, more)

    async def delete(self, session_id: str) -> Record:
        """Delete it; what is left of it."""
        said, *more = await self._run(DELETE, session_id, milliseconds(REMEMBERED))
        return _live(session_id, said, more)

    async def install(self, record: Record, over: datetime | None = None) -> None:
        """Take in the copy of Postgres where there is none here, or `over` the one that was last accessed then."""
        session = record.session
        await self._run(
            INSTALL,
            session.id,
            "" if over is None else microseconds(over),
            milliseconds(REMEMBERED),
            session.agent_id,
            session.user_id,
            session.version,
            milliseconds(session.ttl) if session.ttl else 0,
            microseconds(session.created_at),
            microseconds(session.last_accessed),
            data_text(session.data),
        )

    async def settle(self, session_id: str, accessed: datetime | None) -> None:
        """Note that Postgres has the session as it was last accessed then, or that there is none any more."""
        last = "" if accessed is None else microseconds(accessed)
        await self._run(SETTLE, session_id, last, milliseconds(REMEMBERED))

    async def stored(self, session_id: str) -> Record | None:
        """The session as it is, deleted ones included."""
        values = cast("Sequence[bytes | None]", await self._redis.ask("HMGET", _key(session_id), *FIELDS))
        return None if values[0] is None else _record(session_id, cast("Sequence[bytes]", values))

    async def take_unpersisted(self, limit: int, age: float = 0.0) -> Sequence[str]:
        """Ids of sessions that Postgres has not had as they are for `age` seconds, at most `limit` of each group.

        For a while nobody else is given them.
        """
        arguments = (round(age * 1e6), limit, round(TAKEN * 1e6))
        answers = await self._redis.run_all([(TAKE, (_pending(group),), arguments) for group in range(GROUPS)])
        found = cast("Sequence[Sequence[bytes]]", answers)
        return sorted(session_id.decode() for group in found for session_id in group)

    async def give_back(self, ids: Sequence[str]) -> None:
        """Let others take these sessions at once."""
        await self._redis.ask_all([("ZADD", _pending(_group(known)), "XX", 0, known) for known in ids])

    async def now(self) -> datetime:
        """The time of the clock of sessions."""
        seconds, rest = cast("tuple[int, int]", await self._redis.ask("TIME"))
        return moment(seconds * 1_000_000 + rest)

    async def _run(self, code: Script, session_id: str, *arguments: Argument) -> Sequence[object]:
        keys = (_key(session_id), _pending(_group(session_id)))
        return cast("Sequence[object]", await self._redis.run(code, keys, session_id, *arguments))


def _live(session_id: str, said: object, more: Sequence[object]) -> Record:
    """The session that a script answered with; SessionNotFound, NotHot."""
    if said == b"gone":
        raise SessionNotFound(session_id)
    if said == b"absent":
        raise NotHot
    return _record(session_id, cast("Sequence[bytes]", more[0]))


def _record(session_id: str, values: Sequence[bytes]) -> Record:
    """The session of its values, in the order of FIELDS, the data perhaps left out."""
    agent, user, version, life, created, accessed, written, *data = values
    ttl, last = int(life) / 1000, moment(int(accessed))
    session = Session(
        id=session_id,
        agent_id=agent.decode(),
        user_id=user.decode(),
        data=orjson.loads(data[0]) if data else {},
        version=int(version),
        ttl=ttl,
        created_at=moment(int(created)),
        last_accessed=last,
        expires_at=last + timedelta(seconds=ttl),
    )
    return Record(session, moment(int(written)))


def _group(session_id: str) -> int:
    return crc32(session_id.encode()) % GROUPS


def _key(session_id: str) -> str:
    return f"a2a:session:{{s{_group(session_id)}}}:{session_id}"


def _pending(group: int) -> str:
    return f"a2a:unpersisted:{{s{group}}}"

"""Sessions: Redis serves them, Postgres keeps them.

Every change happens in Redis, in one step, and is written through to Postgres before it is acknowledged; reads and
touches follow in batches. While Postgres is away, Redis remembers which sessions it has not, and a task of every node
persists those once it is back. A session that Redis does not have is taken from Postgres, unless it ended meanwhile.

An acknowledged change is never undone unseen, even by a Redis that lost its last writes: Postgres refuses what does not
follow on its own copy, which then replaces the one in Redis, and the writer hears VersionConflict. After Redis was
emptied a session may end early, by as much as the batches lag.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from uuid import uuid4

from a2a_node.model.errors import SessionExists, SessionNotFound, StoreUnavailable, VersionConflict
from a2a_node.model.sessions import checked_labels, data_text, merged
from a2a_node.model.state import NewSession, Session
from a2a_node.model.state_ports import SessionPlace
from a2a_node.store.background import beside
from a2a_node.store.hot_sessions import HotSessions, NotHot, Record
from a2a_node.store.postgres import Postgres
from a2a_node.store.redis import Redis
from a2a_node.store.session_keeper import LAG, SessionKeeper
from a2a_node.store.session_rows import SessionRows

RIVALS = 100  # others who may be faster, one after the other, before a merge gives up


@asynccontextmanager
async def keeping(redis: Redis, postgres: Postgres, *, lag: float = LAG) -> AsyncIterator[RedisSessions]:
    """Sessions, and the task that persists them with that lag in seconds, until the block ends."""
    hot, rows = HotSessions(redis), SessionRows(postgres)
    keeper = SessionKeeper(hot, rows, postgres, lag=lag)
    async with beside(keeper.run()):
        yield RedisSessions(hot, rows, keeper)


class RedisSessions:
    """The port `Sessions` on Redis and Postgres."""

    def __init__(self, hot: HotSessions, rows: SessionRows, keeper: SessionKeeper) -> None:
        self._hot = hot
        self._rows = rows
        self._keeper = keeper

    async def create(self, new: NewSession) -> Session:
        """Keep a new session at version 1; SessionExists, PayloadTooLarge.

        With an id of the caller's own Postgres is asked for an older one, and trusted to have none while it is away.
        """
        record = await self._made(checked_labels(new))
        if await self._keeper.keep(record) is not None:
            raise SessionExists(new.id)
        return record.session

    async def get(self, session_id: str, *, peek: bool = False) -> Session:
        """Read and keep alive, or only `peek`; SessionNotFound."""
        return (await self._warm(session_id, lambda: self._hot.read(session_id, peek=peek))).session

    async def update(
        self, session_id: str, data: Mapping[str, object], *, expected: int | None, merge: bool
    ) -> Session:
        """Replace or merge the data; VersionConflict, SessionNotFound, PayloadTooLarge."""
        if merge:
            record = await self._merged(session_id, data, expected)
        else:
            text = data_text(data)
            record = await self._warm(session_id, lambda: self._hot.write(session_id, text, expected))
        standing = await self._keeper.keep(record)
        if standing is not None:
            raise VersionConflict(record.session.version - 1, standing.session.version)
        return record.session

    async def touch(self, session_id: str, ttl: float | None = None) -> Session:
        """Keep alive, with another ttl when one is given; without its data. SessionNotFound."""
        record = await self._warm(session_id, lambda: self._hot.touch(session_id, ttl))
        # Another ttl is a change: Postgres must not take the session for alive by the one before.
        while ttl is not None and await self._keeper.keep(record):
            record = await self._warm(session_id, lambda: self._hot.touch(session_id, ttl))
        return replace(record.session, data={})

    async def delete(self, session_id: str) -> bool:
        """Forget; False when there was none."""
        with suppress(SessionNotFound):
            # Again, where Redis had lost a change and Postgres stands by its copy.
            while await self._keeper.keep(await self._warm(session_id, lambda: self._hot.delete(session_id))):
                pass
            return True
        return False

    async def list(
        self, *, user_id: str = "", agent_id: str = "", after: SessionPlace | None = None, limit: int
    ) -> Sequence[Session]:
        """Live sessions without their data, the newest first, after a place.

        Read from Postgres, and StoreUnavailable while that is away, after it was told what it did not know yet: all but
        what is left of a long absence of Postgres, which appears as it is persisted.
        """
        await self._keeper.keep_batch()
        now = await self._hot.now()
        return await self._rows.list(now, user_id=user_id, agent_id=agent_id, after=after, limit=limit)

    async def _made(self, new: NewSession) -> Record:
        if not new.id:
            return await self._hot.create(replace(new, id=str(uuid4())), sure=True)
        try:
            return await self._hot.create(new, sure=False)
        except NotHot:
            with suppress(SessionNotFound, StoreUnavailable):
                await self._heat(new.id)
            return await self._hot.create(new, sure=True)

    async def _merged(self, session_id: str, data: Mapping[str, object], expected: int | None) -> Record:
        rivals = RIVALS if expected is None else 0
        while True:
            seen = await self._warm(session_id, lambda: self._hot.read(session_id, peek=True))
            version = seen.session.version
            if expected is not None and expected != version:
                raise VersionConflict(expected, version)
            text = data_text(merged(seen.session.data, data))
            try:
                return await self._warm(session_id, partial(self._hot.write, session_id, text, version, seen))
            except VersionConflict:
                if not rivals:
                    raise
                rivals -= 1

    async def _warm(self, session_id: str, attempt: Callable[[], Awaitable[Record]]) -> Record:
        """What the attempt finds in Redis, perhaps after Redis was given what Postgres has; SessionNotFound."""
        try:
            return await attempt()
        except NotHot:
            await self._heat(session_id)
        try:
            return await attempt()
        except NotHot:
            raise SessionNotFound(session_id) from None

    async def _heat(self, session_id: str) -> None:
        record = await self._rows.find(session_id)
        if record is None:
            raise SessionNotFound(session_id)
        await self._hot.install(record)

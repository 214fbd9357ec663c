"""Sessions in Redis and Postgres: what becomes of them when one of the two goes away, is emptied, or lost something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import select, text

from a2a_node.model.errors import SessionExists, SessionNotFound, StoreUnavailable, VersionConflict
from a2a_node.model.state import NewSession, Session
from a2a_node.store import postgres
from a2a_node.store.hot_sessions import HotSessions
from a2a_node.store.redis import Redis
from a2a_node.store.session_keeper import SessionKeeper
from a2a_node.store.session_rows import SessionRows
from a2a_node.store.sessions import RedisSessions, keeping
from a2a_node.store.tables import sessions as rows
from a2a_node.testing import Line
from tests.integration.store.lines import lined as postgres_line
from tests.integration.store.redis_lines import LONG, until
from tests.integration.store.redis_lines import lined as redis_line

NEW = NewSession(ttl=60.0, agent_id="clerk", user_id="ann", data={"a": 1})
NEVER = 3600.0  # seconds of lag, where the test persists by itself
AGED = text("UPDATE sessions SET expires_at = expires_at - make_interval(hours => 1)")


@dataclass
class House:
    """A node's sessions on two stores, each over a line that can be cut."""

    sessions: RedisSessions
    keeper: SessionKeeper
    redis: Redis
    redis_line: Line
    postgres: postgres.Postgres
    postgres_line: Line

    async def row(self, session_id: str) -> Session | None:
        """What Postgres has."""
        found = await SessionRows(self.postgres).find(session_id)
        return None if found is None else found.session

    async def unpersisted(self) -> list[str]:
        """What Redis knows that Postgres has not."""
        marked = await self.redis.ask_all(
            [("ZRANGE", name, 0, -1) for name in await self._keys("a2a:unpersisted:*")] or [("ZRANGE", "none", 0, -1)]
        )
        return [session_id.decode() for group in marked if isinstance(group, list) for session_id in group]

    async def empty(self) -> None:
        """Empty Redis."""
        await self.redis.ask("FLUSHALL")

    async def copy(self, session_id: str) -> Callable[[], Awaitable[None]]:
        """Remember what Redis has of a session, to be put back."""
        [name] = await self.names(session_id)
        dump = await self.redis.ask("DUMP", name)
        assert isinstance(dump, bytes)

        async def restore() -> None:
            await self.redis.ask("RESTORE", name, 60_000, dump, "REPLACE")

        return restore

    async def names(self, session_id: str) -> list[str]:
        """The keys of a session in Redis."""
        return await self._keys(f"a2a:session:*:{session_id}")

    async def _keys(self, pattern: str) -> list[str]:
        keys = await self.redis.ask("KEYS", pattern)
        assert isinstance(keys, list)
        return [key.decode() for key in keys]


@pytest.fixture
async def house(redis_url: str, postgres_url: str) -> AsyncIterator[House]:
    """A node's sessions, persisted late unless a change is written through."""
    async with housed(redis_url, postgres_url, lag=NEVER) as opened:
        await opened.postgres.fetch(text("TRUNCATE sessions"))
        yield opened


@asynccontextmanager
async def housed(redis_url: str, postgres_url: str, lag: float) -> AsyncIterator[House]:
    """A node's sessions."""
    async with (
        asyncio.timeout(LONG),
        redis_line(redis_url) as (redis, near),
        postgres_line(postgres_url) as (url, far),
        postgres.connected(url) as database,
        keeping(redis, database, lag=lag) as sessions,
    ):
        keeper = SessionKeeper(HotSessions(redis), SessionRows(database), database)
        yield House(sessions, keeper, redis, near, database, far)


async def test_a_change_is_persisted_before_it_is_acknowledged(house: House) -> None:
    """Making, changing and deleting; nothing is left to do then."""
    made = await house.sessions.create(NEW)
    assert await house.row(made.id) == made
    changed = await house.sessions.update(made.id, {"b": [None, 2**53]}, expected=1, merge=True)
    assert await house.row(made.id) == changed
    await house.sessions.delete(made.id)
    gone = await house.row(made.id)
    assert gone is not None
    assert (gone.ttl, gone.data) == (0, {})
    assert await house.unpersisted() == []


async def test_reads_and_touches_are_persisted_in_batches(house: House) -> None:
    """All of them, whatever their number, as they were used last."""
    made = [await house.sessions.create(NEW) for _ in range(40)]
    touched = [await house.sessions.touch(session.id) for session in made]
    assert sorted(await house.unpersisted()) == sorted(session.id for session in made)
    while await house.keeper.keep_batch():
        pass
    for session in touched:
        row = await house.row(session.id)
        assert row is not None
        assert (row.last_accessed, row.expires_at, row.ttl) == (session.last_accessed, session.expires_at, 60.0)
        assert row.data == NEW.data


async def test_the_task_of_a_node_persists_by_itself(redis_url: str, postgres_url: str) -> None:
    """Soon after a session was used."""
    async with housed(redis_url, postgres_url, lag=0.05) as house:
        made = await house.sessions.create(NEW)
        read = await house.sessions.get(made.id)

        async def persisted() -> bool:
            return await house.row(made.id) == read and not await house.unpersisted()

        await until(persisted)


async def test_sessions_go_on_without_postgres_and_are_persisted_when_it_is_back(house: House) -> None:
    """Made, changed, read and deleted meanwhile; an emptied Redis loses nothing of it afterwards."""
    before, doomed = await house.sessions.create(NEW), await house.sessions.create(NEW)
    house.postgres_line.cut()
    during = await house.sessions.create(NEW)
    mine = await house.sessions.create(NewSession(id="mine", ttl=60.0))
    changed = await house.sessions.update(before.id, {"b": 2}, expected=1, merge=True)
    assert (await house.sessions.get(before.id)).version == 2
    assert await house.sessions.delete(doomed.id)
    with pytest.raises(StoreUnavailable):
        await house.keeper.keep_batch()
    with pytest.raises(StoreUnavailable):
        await house.sessions.list(limit=10)
    await house.postgres_line.restore()
    while await house.keeper.keep_batch():
        pass
    await house.empty()
    assert (await house.sessions.get(before.id)).data == changed.data
    assert await house.sessions.get(during.id, peek=True) == during
    assert await house.sessions.get("mine", peek=True) == mine
    with pytest.raises(SessionNotFound):
        await house.sessions.get(doomed.id)


async def test_the_task_of_a_node_persists_when_postgres_is_back(redis_url: str, postgres_url: str) -> None:
    """It does not give up, and another node's task would do it as well."""
    async with housed(redis_url, postgres_url, lag=0.05) as house:
        house.postgres_line.cut()
        made = await house.sessions.create(NEW)
        await asyncio.sleep(0.2)  # in which it fails a few times
        await house.postgres_line.restore()

        async def persisted() -> bool:
            return await house.row(made.id) == made

        await until(persisted)


async def test_what_a_lost_node_did_not_persist_another_does(house: House, redis_url: str, postgres_url: str) -> None:
    """Redis knows, not the node."""
    house.postgres_line.cut()
    made = await house.sessions.create(NEW)
    async with housed(redis_url, postgres_url, lag=NEVER) as other:
        assert await other.keeper.keep_batch() == 1
        assert await other.row(made.id) == made


async def test_without_postgres_nobody_can_tell_what_redis_does_not_know(house: House) -> None:
    """A session may exist, so that it is not said that it does not."""
    made = await house.sessions.create(NEW)
    await house.empty()
    house.postgres_line.cut()
    for attempt in (
        house.sessions.get(made.id),
        house.sessions.touch(made.id),
        house.sessions.update(made.id, {}, expected=None, merge=True),
        house.sessions.delete(made.id),
    ):
        with pytest.raises(StoreUnavailable) as failure:
            await attempt
        assert failure.value.variables == {"store": "postgres"}


async def test_a_deleted_session_is_not_brought_back_by_a_late_copy(house: House) -> None:
    """Neither into Redis by a reader nor into Postgres by a writer who had it in hand."""
    made = await house.sessions.create(NEW)
    hot, table = HotSessions(house.redis), SessionRows(house.postgres)
    read, written = await table.find(made.id), await hot.stored(made.id)
    assert read is not None
    assert written is not None
    await house.sessions.delete(made.id)
    await hot.install(read)
    assert await table.keep(written) is None
    for _ in range(2):
        with pytest.raises(SessionNotFound):
            await house.sessions.get(made.id)
        await house.empty()


async def test_a_version_never_goes_back(house: House) -> None:
    """Neither in Redis nor in Postgres, when a copy of before arrives late."""
    made = await house.sessions.create(NEW)
    hot, table = HotSessions(house.redis), SessionRows(house.postgres)
    old = await table.find(made.id)
    assert old is not None
    changed = await house.sessions.update(made.id, {"b": 2}, expected=1, merge=True)
    await hot.install(old)
    assert await house.sessions.get(made.id, peek=True) == changed
    assert await table.keep(old) is None
    assert await house.row(made.id) == changed


@pytest.mark.parametrize("merge", [True, False])
async def test_a_redis_that_lost_a_change_cannot_undo_it(house: House, merge: bool) -> None:  # noqa: FBT001
    """Who builds on the version before hears of the one that was acknowledged, and reads it from then on."""
    made = await house.sessions.create(NEW)
    lose_last_change = await house.copy(made.id)
    kept = await house.sessions.update(made.id, {"kept": 1}, expected=1, merge=False)
    await lose_last_change()
    with pytest.raises(VersionConflict):
        await house.sessions.update(made.id, {"lost": 1}, expected=1, merge=merge)
    assert await house.sessions.get(made.id, peek=True) == kept
    assert (await house.sessions.update(made.id, {"more": 1}, expected=2, merge=True)).data == {"kept": 1, "more": 1}


async def test_a_redis_that_lost_a_change_is_corrected_by_its_next_read(house: House) -> None:
    """Once that is persisted."""
    made = await house.sessions.create(NEW)
    lose_last_change = await house.copy(made.id)
    kept = await house.sessions.update(made.id, {"kept": 1}, expected=1, merge=False)
    await lose_last_change()
    assert (await house.sessions.get(made.id)).version == 1
    await house.keeper.keep_batch()
    assert await house.sessions.get(made.id, peek=True) == kept
    assert await house.unpersisted() == []


async def test_a_redis_that_lost_a_change_does_not_keep_a_session_from_its_end(house: House) -> None:
    """Deleting deletes what Postgres stands by."""
    made = await house.sessions.create(NEW)
    lose_last_change = await house.copy(made.id)
    await house.sessions.update(made.id, {"kept": 1}, expected=1, merge=False)
    await lose_last_change()
    assert await house.sessions.delete(made.id)
    await house.empty()
    with pytest.raises(SessionNotFound):
        await house.sessions.get(made.id)


async def test_a_session_that_was_made_blindly_gives_way(house: House) -> None:
    """Made while neither store could tell that its id was in use, it does not take the place of the one that was."""
    old = await house.sessions.create(NewSession(id="mine", ttl=60.0, data={"old": 1}))
    await house.empty()
    house.postgres_line.cut()
    await house.sessions.create(NewSession(id="mine", ttl=60.0, data={"new": 1}))
    await house.postgres_line.restore()
    await house.keeper.keep_batch()
    assert (await house.sessions.get("mine", peek=True)).data == old.data
    with pytest.raises(SessionExists):
        await house.sessions.create(NewSession(id="mine", ttl=60.0))


async def test_a_session_ends_by_itself(house: House) -> None:
    """In Redis when its time is over, and in Postgres as well."""
    made = await house.sessions.create(NewSession(ttl=0.2))

    async def ended() -> bool:
        try:
            await house.sessions.get(made.id, peek=True)
        except SessionNotFound:
            return True
        return False

    await until(ended)
    assert await house.sessions.list(limit=10) == []
    await house.empty()
    assert await ended()


async def test_a_shorter_ttl_holds_at_once(house: House) -> None:
    """A session that ends by it is not brought back by what Postgres knew before."""
    made = await house.sessions.create(NEW)
    touched = await house.sessions.touch(made.id, 0.2)
    row = await house.row(made.id)
    assert row is not None
    assert (row.ttl, row.expires_at, row.data) == (0.2, touched.expires_at, NEW.data)


async def test_a_deletion_outlives_a_long_absence_of_postgres(house: House) -> None:
    """It is remembered for as long as the session could have lived, until Postgres knows."""
    made = await house.sessions.create(NewSession(ttl=3600.0))
    [name] = await house.names(made.id)
    house.postgres_line.cut()
    await house.sessions.delete(made.id)
    assert 3500 < int(str(await house.redis.ask("TTL", name))) <= 3600
    await house.postgres_line.restore()
    await house.keeper.keep_batch()
    assert 500 < int(str(await house.redis.ask("TTL", name))) <= 600
    await house.empty()
    with pytest.raises(SessionNotFound):
        await house.sessions.get(made.id)


async def test_what_ended_is_deleted_from_postgres(house: House) -> None:
    """A while after it has; what lives stays."""
    await house.sessions.create(NEW)
    await house.sessions.delete((await house.sessions.create(NEW)).id)
    await house.postgres.fetch(AGED)
    alive = await house.sessions.create(NEW)
    assert await SessionRows(house.postgres).sweep() == 2
    left = await house.postgres.fetch(select(rows.c.session_id))
    assert [row["session_id"] for row in left] == [alive.id]


async def test_nodes_share_the_work(house: House, redis_url: str, postgres_url: str) -> None:
    """What one has taken the other leaves to it."""
    made = [await house.sessions.create(NEW) for _ in range(50)]
    async with housed(redis_url, postgres_url, lag=NEVER) as other:
        for _ in range(5):
            used = await asyncio.gather(*(house.sessions.get(session.id) for session in made))
            turns = (keeper.keep_batch() for keeper in (house.keeper, other.keeper) for _ in range(4))
            assert sum(await asyncio.gather(*turns)) == len(made)
    for session in used:
        assert await house.row(session.id) == session
    assert await house.unpersisted() == []


async def test_a_hung_postgres_delays_nothing_for_long(house: House) -> None:
    """Reads do not notice; a change waits for its patience, and is persisted later."""
    made = await house.sessions.create(NEW)
    house.postgres_line.hold()
    assert (await house.sessions.get(made.id)).version == 1
    assert (await house.sessions.update(made.id, {}, expected=1, merge=False)).version == 2
    await house.postgres_line.restore()
    await house.keeper.keep_batch()
    row = await house.row(made.id)
    assert row is not None
    assert row.version == 2

"""The audit through whole nodes: what changed and who was refused, chained, listed, watched and verified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from sqlalchemy import text

from a2a_node.client import EventGap, MeshClient, WatchStarted, Witnessed
from a2a_node.model.audit import AuditDecision, AuditEvent, AuditFilter, AuditOutcome, hashed
from a2a_node.model.errors import (
    AgentNotFound,
    InvalidInput,
    PermissionDenied,
    SessionNotFound,
    TooManySubscribers,
    Unauthenticated,
)
from a2a_node.store.postgres import connected
from tests.integration.people import Meet, meet

__all__ = ["meet"]

PATIENCE = 20.0
NOTHING = "00000000-0000-4000-8000-000000000000"


async def events(mesh: MeshClient, many: int, **wanted: object) -> list[AuditEvent]:
    """The events that fit, the oldest first, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [event async for event in mesh.audit.list(AuditFilter(**wanted))]  # type: ignore[arg-type]
            if len(found) >= many:
                return found[::-1]


async def next_of(watch: AsyncIterator[WatchStarted | Witnessed | EventGap]) -> Witnessed | EventGap:
    """What a watch tells next."""
    async with asyncio.timeout(PATIENCE):
        told = await anext(watch)
    assert not isinstance(told, WatchStarted)
    return told


async def started(watch: AsyncIterator[WatchStarted | Witnessed | EventGap]) -> str:
    """The first cursor of a watch."""
    async with asyncio.timeout(PATIENCE):
        told = await anext(watch)
    assert isinstance(told, WatchStarted)
    return told.cursor


async def test_a_change_is_recorded_with_who_what_and_where_from(meet: Meet) -> None:
    """Whether it was done, or failed; what only reads is not."""
    async with meet() as one:
        session = await one.dev.sessions.create({"secret": "payload"})
        await one.dev.sessions.get(session.id)
        await one.dev.call("echo", "say", {"text": "x"})
        with pytest.raises(SessionNotFound):
            await one.dev.sessions.update(NOTHING, {}, expected=None, merge=False)
        created, failed = await events(one.dev, 2, action="session:*")
        fact = created.fact
        assert (fact.action, fact.target, fact.user_id) == ("session:create", f"session:{session.id}", "person:dev")
        assert (fact.decision, fact.outcome, fact.reason) == (AuditDecision.ALLOWED, AuditOutcome.SUCCEEDED, "")
        assert (fact.ip_address, fact.call_path, created.node_id) == ("127.0.0.1", (), "one")
        assert fact.user_agent.startswith("grpc-python-asyncio/")
        assert (failed.fact.outcome, failed.fact.reason) == (AuditOutcome.FAILED, "SESSION_NOT_FOUND")
        assert await events(one.dev, 0, action="agent:*") == []
        assert created.hash == hashed(fact, "one", created.sequence, created.previous_hash)


async def test_refusals_are_recorded_whichever_layer_refused(meet: Meet) -> None:
    """Strangers, those who may not, and what is refused inside of a service; nobody's failures are not."""
    async with meet() as one, MeshClient(one.node.grpc_address, "wrong") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.call("echo", "say", {"text": "x"})
        with pytest.raises(PermissionDenied):
            await one.ann.call("echo", "say", {"text": "x"})
        with pytest.raises(PermissionDenied):
            await one.bob.grants.check("cache:read", "person:ann")
        with pytest.raises(AgentNotFound):
            await one.dev.call("nobody", "say", {})
        strange, ann, bob = await events(one.dev, 3, decision=AuditDecision.REFUSED)
        assert (strange.fact.user_id, strange.fact.reason) == ("", "UNAUTHENTICATED")
        assert (strange.fact.action, strange.fact.target) == ("agent:invoke", "agent:echo:say")
        assert (strange.fact.agent_id, strange.fact.outcome) == ("echo", AuditOutcome.REFUSED)
        assert (ann.fact.user_id, ann.fact.reason) == ("person:ann", "PERMISSION_DENIED")
        assert (bob.fact.action, bob.fact.user_id) == ("access:check-permission", "person:bob")


async def test_a_flood_of_refusals_is_few_events(meet: Meet) -> None:
    """The first one, and one for all that followed."""
    async with meet() as one:
        for number in range(200):
            with pytest.raises(PermissionDenied):
                await one.ann.call(f"agent-{number}", "say", {})
    async with meet() as again:
        first, rest = await events(again.dev, 2, decision=AuditDecision.REFUSED)
        assert first.fact.metadata == {}
        assert rest.fact.metadata == {"refusals": 199, "within_seconds": 10}


async def test_agents_may_be_recorded_at_work_by_a_setting(meet: Meet) -> None:
    """With the capability that was called, and the call's id."""
    async with meet(audit_calls=True) as one:
        await one.dev.call("echo", "say", {"text": "x"}, call_id=NOTHING)
        (called,) = await events(one.dev, 1, action="agent:invoke")
        assert (called.fact.target, called.fact.call_id, called.fact.agent_id) == ("agent:echo:say", NOTHING, "echo")


async def test_a_watch_on_any_node_hears_of_all_within_a_second(meet: Meet) -> None:
    """From where it was left, when it comes back, by any filter; nothing twice, nothing missed."""
    async with meet("one") as one, meet("two") as two:
        watch = two.dev.audit.watch(AuditFilter(action="cache:*"))
        await started(watch)
        await one.dev.cache.set("k", 1)
        begun = asyncio.get_running_loop().time()
        told = await next_of(watch)
        assert asyncio.get_running_loop().time() - begun < 1
        assert isinstance(told, Witnessed)
        assert (told.event.node_id, told.event.fact.target) == ("one", "value:/k")
        await two.dev.cache.set("k", 2)
        mine = await next_of(watch)
        assert isinstance(mine, Witnessed)
        assert mine.event.node_id == "two"
        for number in range(3):
            await one.dev.cache.set(f"later-{number}", 1)
        await events(one.dev, 5, action="cache:*")
        back = one.dev.audit.watch(AuditFilter(action="cache:*"), told.cursor)
        assert await started(back) == told.cursor
        heard = [await next_of(back) for _ in range(4)]
        targets = [told.event.fact.target for told in heard if isinstance(told, Witnessed)]
        assert targets == ["value:/k", "value:/later-0", "value:/later-1", "value:/later-2"]
        with pytest.raises(InvalidInput, match="after_cursor"):
            await started(one.dev.audit.watch(after="nonsense"))


async def test_a_node_lets_a_hundred_watch(meet: Meet) -> None:
    """The next one is refused, and may come when somebody has left."""
    async with meet() as one:
        watches = [one.dev.audit.watch() for _ in range(100)]
        for watch in watches:
            await started(watch)
        with pytest.raises(TooManySubscribers):
            await started(one.dev.audit.watch())


async def test_a_log_that_somebody_changed_is_not_whole(meet: Meet, postgres_url: str) -> None:
    """An event that was changed, and one that was removed from the end; the table itself refuses both."""
    async with meet() as one, connected(postgres_url, patience=PATIENCE) as postgres:
        for number in range(5):
            await one.dev.cache.set(f"k-{number}", 1)
        written = await events(one.dev, 5, action="cache:*")
        whole = await one.dev.audit.verify()
        assert (whole.intact, whole.chains, list(whole.breaks)) == (True, 1, [])
        assert whole.events >= 5
        assert all(after.previous_hash == before.hash for before, after in pairwise(written))
        for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            with pytest.raises(Exception, match="append-only"):
                await postgres.fetch(text(statement))
        await postgres.fetch(text("ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only"))
        last = written[-1].sequence
        await postgres.fetch(text("DELETE FROM audit_log WHERE sequence = :last"), {"last": last})
        removed = await one.dev.audit.verify("one")
        assert [(found.sequence, found.event_id) for found in removed.breaks] == [(last, "")]
        changed = written[1]
        await postgres.fetch(
            text("UPDATE audit_log SET user_id = 'person:eve' WHERE sequence = :one"), {"one": changed.sequence}
        )
        broken = await one.dev.audit.verify()
        assert [(found.sequence, found.event_id) for found in broken.breaks] == [(changed.sequence, changed.fact.id)]
        assert broken.breaks[0].actual_hash == changed.hash != broken.breaks[0].expected_hash
        watch = one.dev.audit.watch(AuditFilter(action="cache:*"))
        await started(watch)
        await one.dev.cache.set("k", 1)
        gap = await next_of(watch)
        assert isinstance(gap, EventGap)
        assert (gap.node_id, gap.first_sequence, gap.last_sequence) == ("one", last, last)


async def test_who_may_not_read_the_audit_reads_nothing(meet: Meet) -> None:
    """Neither events nor calls, nor whether it is whole."""
    async with meet() as one:
        with pytest.raises(PermissionDenied, match="audit:read"):
            await anext(one.ann.audit.list())
        with pytest.raises(PermissionDenied, match="audit:read"):
            await anext(one.ann.audit.watch())
        with pytest.raises(PermissionDenied, match="audit:read"):
            await one.ann.audit.verify()
        with pytest.raises(PermissionDenied, match="audit:read"):
            await anext(one.ann.audit.tap())

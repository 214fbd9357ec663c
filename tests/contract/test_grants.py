"""What every store of grants promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from a2a_node.model.errors import (
    GrantNotFound,
    GrantTooWide,
    InvalidInput,
    RequestDecided,
    RequestNotFound,
    StoreUnavailable,
)
from a2a_node.model.grant_ports import GrantFilter, Grants
from a2a_node.model.grants import REQUEST_DAYS, Decision, NewGrant, RequestStatus
from tests.contract.grants import GrantHouse, granting

NOBODY = "00000000-0000-4000-8000-000000000000"
INVOKE = "agent:echo:invoke"
ANN = NewGrant("person:dev", "person:ann", "agent:*:invoke", delegable=True, depth=2, ttl=600.0)
BOB = NewGrant("person:ann", "person:bob", INVOKE, delegable=True, depth=1, conditions=("uses < 5", "true"))


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[GrantHouse]:
    """Nothing is granted yet."""
    async with granting(registry_url) as opened:
        yield opened


@pytest.fixture
def grants(house: GrantHouse) -> Grants:
    """The store itself."""
    return house.grants


async def test_a_grant_is_kept_as_it_was_given(grants: Grants) -> None:
    """With its parent, its conditions and its end."""
    ann, first = await grants.give(ANN)
    bob, second = await grants.give(replace(BOB, parent=ann.id))
    assert (ann.granted_to, ann.permission, ann.depth, ann.delegable) == ("person:ann", "agent:*:invoke", 2, True)
    assert (ann.parent, ann.conditions, ann.uses, ann.revoked, ann.revoked_at) == ("", (), 0, False, None)
    assert ann.expires_at is not None
    assert (ann.expires_at - ann.granted_at).total_seconds() == 600
    assert (bob.parent, bob.conditions, bob.expires_at) == (ann.id, ("uses < 5", "true"), ann.expires_at)
    assert second > first
    assert await grants.find(bob.id) == bob


async def test_what_is_wider_than_its_parent_is_not_kept(grants: Grants) -> None:
    """Nor what hangs from a grant that ended, or that there never was."""
    ann, _ = await grants.give(ANN)
    for new in (
        replace(BOB, permission="cache:read"),
        replace(BOB, depth=2),
        replace(BOB, ttl=601.0),
        replace(BOB, granted_by="person:eve"),
    ):
        with pytest.raises(GrantTooWide):
            await grants.give(replace(new, parent=ann.id))
    await grants.revoke(ann.id)
    with pytest.raises(GrantTooWide, match="has ended"):
        await grants.give(replace(BOB, parent=ann.id))
    with pytest.raises(GrantNotFound):
        await grants.give(replace(BOB, parent=NOBODY))
    assert len(await grants.list(GrantFilter(ended=True), None, 10)) == 1


async def test_a_revoke_ends_all_that_hangs_from_it(grants: Grants) -> None:
    """Once; repeated, it changes nothing."""
    ann, _ = await grants.give(ANN)
    bob, _ = await grants.give(replace(BOB, parent=ann.id))
    await grants.give(NewGrant("person:bob", "person:cleo", INVOKE, parent=bob.id))
    other, before = await grants.give(ANN)
    revoked, ended, after = await grants.revoke(ann.id)
    assert (revoked.id, revoked.revoked, ended) == (ann.id, True, 3)
    assert revoked.revoked_at is not None
    assert after > before
    assert (await grants.revoke(ann.id))[1:] == (0, after)
    assert (await grants.find(bob.id)).revoked
    assert [grant.id for grant in await grants.list(GrantFilter(), None, 10)] == [other.id]
    for unknown in (NOBODY, "nothing"):
        with pytest.raises(GrantNotFound):
            await grants.revoke(unknown)


async def test_grants_are_listed_by_what_is_asked(house: GrantHouse, grants: Grants) -> None:
    """The newest first, page by page."""
    ann, _ = await grants.give(ANN)
    await house.elapse(1)
    bob, _ = await grants.give(replace(BOB, parent=ann.id))
    await house.elapse(1)
    read, _ = await grants.give(NewGrant("person:dev", "person:bob", "cache:read"))
    for wanted, found in (
        (GrantFilter(), [read, bob, ann]),
        (GrantFilter(granted_to="person:bob"), [read, bob]),
        (GrantFilter(granted_by="person:dev"), [read, ann]),
        (GrantFilter(permission=INVOKE), [bob, ann]),
        (GrantFilter(permission="agent:other:invoke"), [ann]),
        (GrantFilter(permission="agent:*:invoke"), [ann]),
        (GrantFilter(parent=ann.id), [bob]),
        (GrantFilter(granted_to="person:eve"), []),
    ):
        assert [grant.id for grant in await grants.list(wanted, None, 10)] == [grant.id for grant in found]
    assert [grant.id for grant in await grants.list(GrantFilter(), None, 2)] == [read.id, bob.id]
    after = (bob.granted_at, bob.id)
    assert [grant.id for grant in await grants.list(GrantFilter(), after, 2)] == [ann.id]


async def test_what_expired_no_longer_holds(house: GrantHouse, grants: Grants) -> None:
    """It is kept, and listed where ended ones are asked for."""
    ann, _ = await grants.give(ANN)
    await house.elapse(601)
    assert await grants.list(GrantFilter(), None, 10) == []
    assert [grant.id for grant in await grants.list(GrantFilter(ended=True), None, 10)] == [ann.id]
    assert (await grants.snapshot()).grants == []
    assert await grants.claim(ann.id, 1) is None


async def test_uses_are_counted_out_once(grants: Grants) -> None:
    """Numbers from 0, to however many ask at once; none of a grant that ended."""
    grant, revision = await grants.give(ANN)
    first = await asyncio.gather(*(grants.claim(grant.id, 3) for _ in range(4)))
    assert sorted(number for number in first if number is not None) == [0, 3, 6, 9]
    assert (await grants.find(grant.id)).uses == 12
    assert (await grants.snapshot()).revision == revision
    await grants.revoke(grant.id)
    assert await grants.claim(grant.id, 1) is None
    assert await grants.claim(NOBODY, 1) is None


async def test_changes_are_all_that_happened_since(grants: Grants) -> None:
    """Ended ones among them; a revision that was never asks for a snapshot."""
    ann, first = await grants.give(ANN)
    bob, second = await grants.give(replace(BOB, parent=ann.id))
    changes = await grants.changes(first)
    assert changes is not None
    assert (changes.revision, changes.grants) == (second, [bob])
    await grants.revoke(ann.id)
    changes = await grants.changes(second)
    assert changes is not None
    assert {(grant.id, grant.revoked) for grant in changes.grants} == {(ann.id, True), (bob.id, True)}
    assert await grants.changes(changes.revision + 1) is None
    latest = await grants.changes(changes.revision)
    assert latest is not None
    assert latest.grants in ((), [])


async def test_a_snapshot_has_all_that_holds_and_where_agents_are_bound(grants: Grants) -> None:
    """By what they were ever given, be it taken back."""
    ann, _ = await grants.give(ANN)
    ended, _ = await grants.give(NewGrant("person:dev", "agent:crowd", INVOKE))
    await grants.give(NewGrant("person:dev", "agent:crowd", "registry:write"))
    _, _, revision = await grants.revoke(ended.id)
    snapshot = await grants.snapshot()
    assert snapshot.revision == revision
    assert ann in snapshot.grants
    assert len(snapshot.grants) == 2
    assert snapshot.bound == {("agent:crowd", "agent"), ("agent:crowd", "registry")}


async def test_revisions_are_heard_as_they_are_committed(grants: Grants) -> None:
    """By whoever listens."""
    async with grants.revisions() as revisions, asyncio.timeout(20):
        _, revision = await grants.give(ANN)
        assert await anext(revisions) == revision


async def test_the_same_request_is_asked_once_while_it_is_pending(house: GrantHouse, grants: Grants) -> None:
    """Another permission, or the same after it was decided or has expired, is another request."""
    asked = await grants.ask("person:bob", INVOKE, "to say hello", 60.0)
    assert (asked.status, asked.ttl, asked.justification) == (RequestStatus.PENDING, 60.0, "to say hello")
    assert await grants.ask("person:bob", INVOKE, "please", None) == asked
    assert (await grants.ask("person:bob", "cache:read", "to look", None)).id != asked.id
    await house.elapse(REQUEST_DAYS * 86_400 + 1)
    assert (await grants.request(asked.id)).status is RequestStatus.EXPIRED
    assert (await grants.ask("person:bob", INVOKE, "please", None)).id != asked.id


async def test_nobody_asks_for_more_than_can_be_read(grants: Grants) -> None:
    """The same request may be asked again, another one when some are decided."""
    asked = [await grants.ask("person:bob", f"agent:a{number}:invoke", "why not", None) for number in range(100)]
    with pytest.raises(InvalidInput, match="100"):
        await grants.ask("person:bob", INVOKE, "why not", None)
    assert await grants.ask("person:bob", "agent:a0:invoke", "why not", None) == asked[0]
    await grants.ask("person:cleo", INVOKE, "why not", None)
    await grants.decide(Decision(asked[5].id, "person:dev"))
    await grants.ask("person:bob", INVOKE, "why not", None)


async def test_a_request_is_decided_once(grants: Grants) -> None:
    """With its grant, or without one; in one step, or not at all."""
    asked = await grants.ask("person:bob", INVOKE, "why not", None)
    refused = Decision(asked.id, "person:eve", grant=replace(BOB, parent=NOBODY))
    with pytest.raises(GrantNotFound):
        await grants.decide(refused)
    new = NewGrant("person:dev", "person:bob", INVOKE)
    settled, grant, _ = await grants.decide(Decision(asked.id, "person:dev", "welcome", new))
    assert grant is not None
    assert (settled.status, settled.decided_by, settled.comment) == (RequestStatus.APPROVED, "person:dev", "welcome")
    assert settled.grant == grant.id
    assert settled.decided_at is not None
    with pytest.raises(RequestDecided):
        await grants.decide(Decision(asked.id, "person:dev"))
    other = await grants.ask("person:bob", INVOKE, "again", None)
    settled, grant, _ = await grants.decide(Decision(other.id, "person:dev"))
    assert (settled.status, grant) == (RequestStatus.DENIED, None)
    for unknown in (NOBODY, "nothing"):
        with pytest.raises(RequestNotFound):
            await grants.decide(Decision(unknown, "person:dev"))


async def test_an_expired_request_is_not_decided(house: GrantHouse, grants: Grants) -> None:
    """Nobody did in time."""
    asked = await grants.ask("person:bob", INVOKE, "why not", None)
    await house.elapse(REQUEST_DAYS * 86_400 + 1)
    with pytest.raises(RequestDecided, match="expired"):
        await grants.decide(Decision(asked.id, "person:dev"))
    assert [one.status for one in await grants.requests("", None, None, 10)] == [RequestStatus.EXPIRED]


async def test_requests_are_listed_by_what_is_asked(house: GrantHouse, grants: Grants) -> None:
    """The newest first, page by page."""
    one = await grants.ask("person:bob", INVOKE, "why not", None)
    await house.elapse(1)
    two = await grants.ask("person:cleo", INVOKE, "why not", None)
    await grants.decide(Decision(one.id, "person:dev"))
    denied = await grants.request(one.id)
    assert await grants.requests("", None, None, 10) == [two, denied]
    assert await grants.requests("", None, (two.created_at, two.id), 10) == [denied]
    assert await grants.requests("person:cleo", None, None, 10) == [two]
    assert await grants.requests("", RequestStatus.DENIED, None, 10) == [denied]
    assert await grants.requests("", RequestStatus.PENDING, None, 1) == [two]


async def test_without_postgres_everything_fails_in_one_word(house: GrantHouse, grants: Grants) -> None:
    """Within about a second, changes and questions alike."""
    ann, _ = await grants.give(ANN)
    house.lose()
    for asked in (
        grants.give(ANN),
        grants.revoke(ann.id),
        grants.find(ann.id),
        grants.list(GrantFilter(), None, 10),
        grants.claim(ann.id, 1),
        grants.ask("person:bob", INVOKE, "why not", None),
        grants.request(NOBODY),
        grants.decide(Decision(NOBODY, "person:dev")),
        grants.requests("", None, None, 10),
        grants.snapshot(),
        grants.changes(0),
    ):
        with pytest.raises(StoreUnavailable):
            await asked

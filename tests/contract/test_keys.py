"""What every store of keys promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from a2a_node.model.errors import InvalidInput, KeyNotFound, StoreUnavailable
from a2a_node.model.key_ports import Keys
from a2a_node.model.keys import ApiKey, NewKey, Purpose, SigningKey
from tests.contract.keys import KeyHouse, keeping_keys

ANN = NewKey("person:ann", "person:dev", "laptop", ("agent:echo:invoke", "call:read"), ttl=600.0)
BOB = NewKey("person:bob", "person:bob")
DAY = 86_400.0


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[KeyHouse]:
    """There are no keys yet."""
    async with keeping_keys(registry_url) as opened:
        yield opened


@pytest.fixture
def keys(house: KeyHouse) -> Keys:
    """The store itself."""
    return house.keys


async def made(keys: Keys, new: NewKey, key_id: str) -> ApiKey:
    """A key under that id."""
    return (await keys.create(new, key_id, key_id.encode() * 4))[0]


async def test_a_key_is_kept_as_it_was_made(keys: Keys) -> None:
    """With its hash, and without its secret."""
    ann, first = await keys.create(ANN, "ann1", b"digest")
    assert (ann.principal, ann.created_by, ann.name, ann.digest) == ("person:ann", "person:dev", "laptop", b"digest")
    assert (ann.permissions, ann.revoked, ann.revoked_at, ann.last_used_at) == (ANN.permissions, False, None, None)
    assert ann.expires_at == ann.created_at + timedelta(seconds=600)
    bob, second = await keys.create(BOB, "bob1", b"other")
    assert (bob.expires_at, bob.permissions, second > first) == (None, (), True)
    assert await keys.find("ann1") == ann
    assert "digest" not in repr(ann)


async def test_a_principal_has_so_many_keys_at_a_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ended make room, and others are not held to account."""
    monkeypatch.setattr("a2a_node.model.keys.MOST_KEYS", 2)
    await made(keys, ANN, "a")
    await made(keys, ANN, "b")
    with pytest.raises(InvalidInput, match="has 2 keys already"):
        await made(keys, ANN, "c")
    await made(keys, BOB, "d")
    await keys.revoke("a")
    await made(keys, ANN, "e")


async def test_a_key_ends_once_and_for_good(keys: Keys) -> None:
    """Repeated, it changes nothing; there must have been one."""
    await made(keys, ANN, "ann1")
    ended, revision = await keys.revoke("ann1")
    assert (ended.revoked, ended.revoked_at is not None) == (True, True)
    assert await keys.revoke("ann1") == (ended, revision)
    for question in (keys.revoke("none"), keys.find("none")):
        with pytest.raises(KeyNotFound):
            await question


async def test_keys_are_listed_the_newest_first(house: KeyHouse, keys: Keys) -> None:
    """By principal, page by page, and with those that ended where these are asked for."""
    first = await made(keys, ANN, "a")
    await house.elapse(1)
    second = await made(keys, BOB, "b")
    await house.elapse(1)
    third = await made(keys, replace(ANN, ttl=None), "c")
    assert [key.id for key in await keys.list("", None, 10, ended=False)] == ["c", "b", "a"]
    assert [key.id for key in await keys.list("person:ann", None, 10, ended=False)] == ["c", "a"]
    assert [key.id for key in await keys.list("", (third.created_at, "c"), 1, ended=False)] == ["b"]
    assert [key.id for key in await keys.list("", (second.created_at, "b"), 9, ended=False)] == ["a"]
    await keys.revoke("b")
    await house.elapse(600)
    assert [key.id for key in await keys.list("", None, 10, ended=False)] == ["c"]
    assert [key.id for key in await keys.list("", None, 10, ended=True)] == ["c", "b", "a"]
    assert first.created_at <= second.created_at <= third.created_at


async def test_the_latest_use_counts(keys: Keys) -> None:
    """In whatever order nodes tell of it; keys that there never were are nobody's."""
    key = await made(keys, ANN, "a")
    early, late = key.created_at + timedelta(minutes=1), key.created_at + timedelta(minutes=2)
    await keys.used({"a": late, "none": early})
    await keys.used({"a": early})
    assert (await keys.find("a")).last_used_at == late
    assert (await keys.snapshot()).revision == 1


async def test_whoever_follows_hears_of_every_change(house: KeyHouse, keys: Keys) -> None:
    """And reads what changed; keys that ended are among it, and are not in what holds."""
    async with keys.revisions() as revisions:
        await made(keys, ANN, "a")
        async with asyncio.timeout(10):
            assert await anext(revisions) == 1
        await made(keys, BOB, "b")
        _, revision = await keys.revoke("a")
        async with asyncio.timeout(10):
            while await anext(revisions) < revision:
                continue
    changes = await keys.changes(1)
    assert changes is not None
    assert {(key.id, key.revoked) for key in changes.keys} == {("a", True), ("b", False)}
    assert [key.id for key in (await keys.snapshot()).keys] == ["b"]
    assert await keys.changes(revision + 1) is None
    unchanged = await keys.changes(revision)
    assert unchanged is not None
    assert (unchanged.revision, unchanged.keys) == (revision, [])
    await house.elapse(1)
    assert unchanged.now is not None


async def test_a_signing_key_is_made_once_and_renewed_in_time(house: KeyHouse, keys: Keys) -> None:
    """Whoever comes second gets the first one's; old ones go; each purpose has its own."""
    ones = [SigningKey(f"k{n}", Purpose.TOKENS, f"public {n}", private=f"private {n}") for n in range(4)]
    (first,), revision = await keys.renew(ones[0], DAY, 3 * DAY)
    assert (first.id, first.public, first.private) == ("k0", "public 0", "private 0")
    assert await keys.renew(ones[1], DAY, 3 * DAY) == ([first], revision)
    await house.elapse(2 * DAY)
    found, later = await keys.renew(ones[2], DAY, 3 * DAY)
    assert ([key.id for key in found], later > revision) == (["k2", "k0"], True)
    await house.elapse(2 * DAY)
    found, _ = await keys.renew(ones[3], DAY, 3 * DAY)
    assert [key.id for key in found] == ["k3", "k2"]
    other, _ = await keys.renew(SigningKey("ca", Purpose.NODES, "certificate", private="p"), DAY, DAY)
    assert [key.id for key in other] == ["ca"]
    shown = (await keys.snapshot()).signing
    assert {(key.id, key.private) for key in shown} == {("k3", ""), ("k2", ""), ("ca", "")}


async def test_nodes_that_start_at_once_share_one_signing_key(keys: Keys) -> None:
    """Whoever was first."""
    several = [SigningKey(f"k{n}", Purpose.TOKENS, "public", private="private") for n in range(5)]
    found = await asyncio.gather(*(keys.renew(one, DAY, DAY) for one in several))
    assert len({key.id for keys_of_one, _ in found for key in keys_of_one}) == 1


async def test_without_the_store_nothing_is_done(house: KeyHouse, keys: Keys) -> None:
    """And said in one word."""
    house.lose()
    fresh = SigningKey("k", Purpose.TOKENS, "public", private="private")
    for question in (
        keys.create(ANN, "a", b"d"),
        keys.revoke("a"),
        keys.list("", None, 1, ended=False),
        keys.snapshot(),
        keys.changes(0),
        keys.renew(fresh, DAY, DAY),
    ):
        with pytest.raises(StoreUnavailable):
            await question

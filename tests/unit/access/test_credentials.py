"""Credentials: keys by their hashes, remembered, and forgotten when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from a2a_node.access import credentials
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.keys import digest_of, fresh_key, id_of
from a2a_node.model.principal import Principal, Proof
from tests.unit.access.keys_house import DEV_KEY, House, housed, signed


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Nobody but the developer has a key."""
    async with housed(tmp_path) as opened:
        yield opened


def test_a_key_names_itself_and_is_long_enough() -> None:
    """Ids have no sign that would end them early."""
    made = {fresh_key() for _ in range(200)}
    assert len({key_id for key_id, _ in made}) == 200
    for key_id, text in made:
        assert (id_of(text), len(text.partition(f"a2a_{key_id}_")[2])) == (key_id, 43)
    assert [id_of(text) for text in ("a2a_x", "a2a_x_", "x_y_z", "a2a_x_" + "y" * 200)] == ["", "", "", ""]


async def test_a_key_says_who_is_calling_and_what_bounds_it(house: House) -> None:
    """The developer's, and those of the mesh; seen before or not."""
    _, text = await house.key(permissions=("cache:read",))
    for _ in range(3):
        dev, ann = await house.shown(DEV_KEY), await house.shown(text)
        assert isinstance(dev, Proof)
        assert isinstance(ann, Proof)
        assert (dev.principal, dev.scopes) == (Principal("person", "dev"), None)
        assert (ann.principal, ann.scopes) == (Principal("person", "ann"), ("cache:read",))


async def test_any_other_text_is_refused(house: House) -> None:
    """In words that hold nothing of it."""
    key, text = await house.key()
    swapped = f"a2a_{key.id}_{fresh_key()[1].rpartition('_')[2]}"
    for wrong in (text[:-1], text + "x", text.upper(), swapped, f"a2a_{key.id}_", DEV_KEY[:-1], "", " "):
        why = await house.shown(wrong)
        assert isinstance(why, str)
        assert key.id not in why
    for entry in ("", "Bearer", "Bearer ", f"Basic {text}", text):
        assert house.credentials.known(entry) is None
        with pytest.raises(Unauthenticated):
            await house.credentials.proven(entry)
    assert house.credentials.known(f"bEARER {text}") is not None


async def test_keys_are_compared_in_constant_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their hashes, and those that nobody has with one that nothing has."""
    _, text = await house.key()
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    unknown = fresh_key()[1]
    for wrong in (text[:-1] + "!", unknown):
        assert await house.shown(wrong) == "the key is not valid"
    assert {one for one, _ in compared} == {digest_of(text[:-1] + "!"), digest_of(unknown)}
    assert all(len(one) == len(other) == 32 for one, other in compared)


async def test_a_key_that_has_ended_is_known_no_longer(house: House) -> None:
    """Revoked, or over; the keys that stand are remembered."""
    (revoked, first), (_, second), (_, third) = await house.key(), await house.key(ttl=0.05), await house.key()
    proofs = [await house.shown(text) for text in (first, second, third)]
    await house.end(revoked)
    assert await house.shown(first) == "the key is not valid"
    assert await house.shown(third) is proofs[2]
    assert isinstance(proofs[0], Proof)
    assert isinstance(house.credentials.renewed(proofs[0]), Unauthenticated)
    assert isinstance(proofs[1], Proof)
    over = Proof(proofs[1].principal, until=0.0, key=proofs[1].key)
    assert isinstance(house.credentials.renewed(over), Unauthenticated)


async def test_memory_is_bounded_whatever_comes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both for what is good and for what is not."""
    monkeypatch.setattr(credentials, "KEPT", 10)
    for number in range(30):
        assert isinstance(await house.shown(signed(jti=str(number))), Proof)
        assert isinstance(await house.shown(signed(jti=str(number), aud="elsewhere")), str)
    kept = vars(house.credentials)
    assert len(kept["_proofs"]) <= 10
    assert len(kept["_refused"]) <= 10


async def test_uses_are_noted_and_written_in_batches(house: House) -> None:
    """Of keys alone; a store that is away gets them later."""
    key, text = await house.key()
    await house.shown(text)
    house.store.lose()
    with pytest.raises(Exception, match="postgres is away"):
        await house.uses.write()
    house.store.recover()
    await house.uses.write()
    used = (await house.store.find(key.id)).last_used_at
    assert used is not None
    assert (used.second, used.microsecond) == (0, 0)

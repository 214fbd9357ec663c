"""Giving and taking back: who may, and what is refused."""

from __future__ import annotations

import pytest

from a2a_node.access.granting import Giver
from a2a_node.model.errors import GrantNotFound, InvalidInput, PermissionDenied, RequestDecided
from a2a_node.model.grants import Decision, NewGrant, RequestStatus
from a2a_node.model.principal import Principal
from tests.unit.access.mesh import DEV, Mesh, meshed

INVOKE = "agent:echo:invoke"
ANN = Giver(Principal("person", "ann"))
ROOT = Giver(DEV)


async def line(mesh: Mesh) -> tuple[str, str, str]:
    """A grant to ann, handed on to bob, handed on to cleo."""
    ann = await mesh.give("person:dev", "person:ann", INVOKE, delegable=True, depth=2)
    bob = await mesh.give("person:ann", "person:bob", INVOKE, delegable=True, depth=1)
    cleo = await mesh.give("person:bob", "person:cleo", INVOKE)
    return ann.id, bob.id, cleo.id


async def test_a_grant_is_taken_back_by_those_above_it_and_by_its_holder() -> None:
    """Ann gave bob what bob gave cleo; eve gave nothing, and cleo nothing to bob."""
    async with meshed() as mesh:
        _, bob, cleo = await line(mesh)
        for stranger in ("person:eve", "person:cleo"):
            with pytest.raises(PermissionDenied, match="of your giving"):
                await mesh.revoke(stranger, bob)
        assert await mesh.revoke("person:ann", cleo) == 1
        assert await mesh.revoke("person:bob", bob) == 1
        assert await mesh.revoke("person:eve", bob) == 0


async def test_a_revoke_takes_what_hangs_from_it() -> None:
    """And nothing else; there is no such grant is said, too."""
    async with meshed() as mesh:
        ann, _, _ = await line(mesh)
        other = await mesh.give("person:dev", "person:bob", INVOKE)
        assert await mesh.revoke("person:dev", ann) == 3
        assert mesh.may("person:bob", INVOKE)
        assert not mesh.may("person:cleo", INVOKE)
        assert (await mesh.store.find(other.id)).revoked is False
        with pytest.raises(GrantNotFound):
            await mesh.revoke("person:dev", "nothing")


async def test_the_widest_grant_that_fits_carries_the_new_one() -> None:
    """Without conditions before with, the longest, the deepest."""
    async with meshed() as mesh:
        many = {"delegable": True, "depth": 1}
        await mesh.give("person:dev", "person:ann", INVOKE, conditions=("uses < 5",), **many)
        await mesh.give("person:dev", "person:ann", INVOKE, ttl=60.0, **many)
        widest = await mesh.give("person:dev", "person:ann", "agent:*:invoke", **many)
        await mesh.give("person:dev", "person:ann", INVOKE)
        assert (await mesh.give("person:ann", "person:bob", INVOKE)).parent == widest.id


async def test_a_grant_of_somebody_else_carries_nothing() -> None:
    """Naming it does not help."""
    async with meshed() as mesh:
        ann, _, _ = await line(mesh)
        with pytest.raises(PermissionDenied, match="belongs to person:ann"):
            await mesh.give("person:eve", "person:eve", INVOKE, parent=ann)


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("granted_to", NewGrant("person:dev", "ann", INVOKE)),
        ("permission", NewGrant("person:dev", "person:ann", "agent:*:*")),
        ("depth", NewGrant("person:dev", "person:ann", INVOKE, delegable=True, depth=9)),
        ("depth", NewGrant("person:dev", "person:ann", INVOKE, delegable=True, depth=-1)),
        ("depth", NewGrant("person:dev", "person:ann", INVOKE, depth=1)),
        ("conditions[0]", NewGrant("person:dev", "person:ann", INVOKE, conditions=("1",))),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(field: str, new: NewGrant) -> None:
    """Even of the root."""
    async with meshed() as mesh:
        with pytest.raises(InvalidInput) as refused:
            await mesh.granting.give(ROOT, new)
        assert refused.value.violations[0][0] == field


async def test_a_delegable_grant_may_be_handed_on_once_unless_it_says_more() -> None:
    """An absent depth is 1."""
    async with meshed() as mesh:
        assert (await mesh.give("person:dev", "person:ann", INVOKE, delegable=True)).depth == 1


async def test_a_bound_key_gives_away_no_more_than_it_may_do() -> None:
    """Or it would be worth what its owner is worth."""
    async with meshed() as mesh:
        bound = Giver(DEV, ("access:grant", "access:revoke", "cache:read"))
        await mesh.granting.give(bound, NewGrant("person:dev", "person:ann", "cache:read"))
        with pytest.raises(PermissionDenied, match="the key"):
            await mesh.granting.give(bound, NewGrant("person:dev", "person:ann", INVOKE))
        given = await mesh.give("person:dev", "person:ann", INVOKE)
        with pytest.raises(PermissionDenied, match="the key"):
            await mesh.granting.revoke(bound, given.id)


async def test_a_request_is_approved_by_whoever_could_give_it() -> None:
    """For no longer than was asked; once."""
    async with meshed() as mesh:
        asked = await mesh.store.ask("person:bob", INVOKE, "why not", 60.0)
        decision = Decision(asked.id, "person:ann")
        with pytest.raises(PermissionDenied):
            await mesh.granting.approve(ANN, decision, ttl=None, narrowing=())
        with pytest.raises(PermissionDenied):
            await mesh.granting.deny(ANN, decision)
        with pytest.raises(InvalidInput, match="longer"):
            await mesh.granting.approve(ROOT, decision, ttl=61.0, narrowing=())
        await mesh.give("person:dev", "person:ann", INVOKE, delegable=True, depth=1)
        settled, grant = await mesh.granting.approve(ANN, decision, ttl=None, narrowing=("uses < 3",))
        assert grant is not None
        assert (settled.status, settled.grant, grant.conditions) == (RequestStatus.APPROVED, grant.id, ("uses < 3",))
        with pytest.raises(RequestDecided):
            await mesh.granting.deny(ROOT, Decision(asked.id, "person:dev"))

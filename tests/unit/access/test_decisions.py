"""Decisions: default deny, chains of authority, and that handing on never gives more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2a_node.access.decisions import KEPT, Asked, Facts, Standing
from a2a_node.model.errors import MeshError, PermissionDenied
from a2a_node.model.permissions import covers
from tests.unit.access.mesh import DEV, Mesh, asked, meshed

INVOKE = "agent:echo:invoke"
PEOPLE = ("person:a", "person:b", "person:c")
PERMISSIONS = ("agent:x:invoke", "agent:*:invoke", "agent:x:*", "cache:read", "*:read")


@dataclass(frozen=True)
class Gift:
    """Somebody gives somebody something."""

    giver: str
    to: str
    permission: str
    depth: int


@dataclass(frozen=True)
class Retreat:
    """Somebody takes back the grant of that number."""

    giver: str
    number: int


GIFTS = st.builds(
    Gift, st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.sampled_from(PERMISSIONS), st.integers(0, 2)
)
RETREATS = st.builds(Retreat, st.sampled_from(PEOPLE), st.integers(0, 9))
ROOTS = st.lists(
    st.builds(
        Gift,
        st.just("person:dev"),
        st.sampled_from(PEOPLE),
        st.sampled_from(PERMISSIONS),
        st.sampled_from((8, 8, 2, 0)),
    ),
    min_size=1,
    max_size=4,
)


async def lived(mesh: Mesh, steps: Sequence[Gift | Retreat]) -> list[str]:
    """The ids of the grants that came of it; what is refused changes nothing."""
    given = []
    for step in steps:
        try:
            if isinstance(step, Gift):
                terms = {"delegable": step.depth > 0, "depth": step.depth}
                given.append((await mesh.give(step.giver, step.to, step.permission, **terms)).id)
            elif step.number < len(given):
                await mesh.revoke(step.giver, given[step.number])
        except MeshError:
            continue
    return given


@settings(max_examples=200)
@given(ROOTS, st.lists(GIFTS | GIFTS | GIFTS | RETREATS, min_size=8, max_size=20))
def test_no_sequence_of_grants_gives_more_than_the_root_gave(
    roots: Sequence[Gift], steps: Sequence[Gift | Retreat]
) -> None:
    """Whatever is handed to whom, in circles too; and nothing is left once the root's own grants are taken back."""

    async def story() -> None:
        async with meshed() as mesh:
            first = await lived(mesh, roots)
            await lived(mesh, steps)
            for person in PEOPLE:
                for permission in ("agent:x:invoke", "agent:y:invoke", "agent:x:stop", "cache:read", "b:read"):
                    if mesh.may(person, permission):
                        assert any(covers(root.permission, permission) for root in roots)
            for grant in first:
                await mesh.revoke("person:dev", grant)
            assert len(mesh.following.book) == 0
            assert not any(mesh.may(person, "agent:x:invoke") for person in PEOPLE)

    asyncio.run(story())


async def test_what_is_not_granted_is_refused() -> None:
    """The root alone needs nothing; nodes may do what nodes need."""
    async with meshed() as mesh:
        assert mesh.may("person:dev", "access:grant")
        assert not mesh.may("person:ann", INVOKE)
        assert mesh.may("node:n1", INVOKE)
        assert not mesh.may("node:n1", "access:grant")
        assert not mesh.may("agent:crowd", INVOKE)


async def test_a_circle_of_grants_does_no_harm() -> None:
    """What comes back is narrower, and falls with where it came from."""
    async with meshed() as mesh:
        held = await mesh.give("person:dev", "person:ann", INVOKE, delegable=True, depth=3)
        there = await mesh.give("person:ann", "person:bob", INVOKE, delegable=True, depth=2)
        back = await mesh.give("person:bob", "person:ann", INVOKE, delegable=True, depth=1)
        assert (there.parent, back.parent) == (held.id, there.id)
        with pytest.raises(PermissionDenied):
            await mesh.give("person:ann", "person:bob", INVOKE, delegable=True, depth=1, parent=back.id)
        assert await mesh.revoke("person:dev", held.id) == 3
        assert not mesh.may("person:ann", INVOKE)
        assert not mesh.may("person:bob", INVOKE)


async def test_a_grant_may_be_handed_on_as_often_as_it_says() -> None:
    """Depth 2: once, once more, and no further."""
    async with meshed() as mesh:
        await mesh.give("person:dev", "person:a", INVOKE, delegable=True, depth=2)
        await mesh.give("person:a", "person:b", INVOKE, delegable=True, depth=1)
        await mesh.give("person:b", "person:c", INVOKE)
        with pytest.raises(PermissionDenied, match="may not be handed on"):
            await mesh.give("person:c", "person:a", INVOKE)


async def test_an_expired_grant_allows_nothing() -> None:
    """Neither itself nor what hangs from it, and streams hear of it."""
    async with meshed() as mesh:
        await mesh.give("person:dev", "person:ann", INVOKE, delegable=True, depth=1, ttl=0.05)
        await mesh.give("person:ann", "person:bob", INVOKE)
        over = asyncio.Event()
        standing = mesh.decisions.settled(asked(INVOKE, "person:bob"))
        assert standing is not None
        assert standing.until < float("inf")
        mesh.following.listen(over.set)
        await over.wait()
        assert not mesh.decisions.stands(standing)
        assert not mesh.may("person:ann", INVOKE)
        assert not mesh.may("person:bob", INVOKE)


async def test_everybody_in_the_chain_must_be_allowed() -> None:
    """The principal at the root, and each agent that was given something of its own."""
    async with meshed() as mesh:
        await mesh.give("person:dev", "person:ann", "agent:*:invoke")
        assert mesh.may("agent:crowd", INVOKE, "person:ann")
        assert not mesh.may("agent:crowd", INVOKE, "person:bob")
        await mesh.give("person:dev", "agent:crowd", "registry:write")
        assert mesh.may("agent:crowd", INVOKE, "person:ann")
        own = await mesh.give("person:dev", "agent:crowd", "agent:other:invoke")
        assert not mesh.may("agent:crowd", INVOKE, "person:ann")
        assert mesh.may("agent:crowd", "agent:other:invoke", "person:ann")
        assert not mesh.may("agent:last", INVOKE, "person:ann", "agent:crowd")
        await mesh.revoke("person:dev", own.id)
        assert not mesh.may("agent:crowd", INVOKE, "person:ann")


async def test_an_agent_bound_once_stays_bound_for_nodes_that_start_later() -> None:
    """What ended is remembered where it binds."""
    async with meshed() as mesh:
        await mesh.give("person:dev", "person:ann", "agent:*:invoke")
        own = await mesh.give("person:dev", "agent:crowd", "agent:other:invoke")
        await mesh.revoke("person:dev", own.id)
        mesh.following.book.replace(await mesh.store.snapshot())
        assert not mesh.may("agent:crowd", INVOKE, "person:ann")
        assert mesh.may("agent:other", INVOKE, "person:ann")


async def test_a_key_does_what_its_scopes_cover() -> None:
    """All keys on the way count, the developer's too."""
    async with meshed() as mesh:
        one, two = ("agent:*:invoke", "cache:read"), (INVOKE,)
        assert mesh.decisions.settled(Asked(INVOKE, (DEV,), (one, two))) == Standing()
        for scopes in ((one, two, ()), (("cache:read",),)):
            with pytest.raises(PermissionDenied, match="the key"):
                mesh.decisions.settled(Asked(INVOKE, (DEV,), scopes))


async def test_conditions_of_the_whole_line_must_be_true() -> None:
    """What is handed on under no condition is still under those above it."""
    async with meshed() as mesh:
        only = ("context.project == 'atlas'",)
        await mesh.give("person:dev", "person:ann", INVOKE, delegable=True, depth=1, conditions=only)
        await mesh.give("person:ann", "person:bob", INVOKE)
        assert not mesh.may("person:bob", INVOKE)
        assert await mesh.decided("person:bob", INVOKE, Facts({}, {"project": "atlas"})) is not None
        assert await mesh.decided("person:bob", INVOKE, Facts({}, {"project": "other"})) is None
        assert await mesh.decided("person:bob", INVOKE) is None


async def test_uses_of_what_was_handed_on_count_above_it() -> None:
    """Three uses are three, whoever of the two uses them; a refused call uses none."""
    async with meshed() as mesh:
        await mesh.give("person:dev", "person:ann", INVOKE, delegable=True, depth=1, conditions=("uses < 3",))
        await mesh.give("person:ann", "person:bob", INVOKE)
        answers = [await mesh.decided(who, INVOKE) is not None for who in ("person:bob", "person:ann") * 3]
        assert answers == [True, True, True, False, False, False]


async def test_calls_at_once_use_no_number_twice() -> None:
    """Fifty ask, ten are admitted."""
    async with meshed() as mesh:
        await mesh.give("person:dev", "person:ann", INVOKE, conditions=("uses < 10",))
        answers = await asyncio.gather(*(mesh.decided("person:ann", INVOKE) for _ in range(50)))
        assert sum(answer is not None for answer in answers) == 10


async def test_a_grant_without_conditions_comes_first() -> None:
    """Nothing is counted where nothing need be."""
    async with meshed() as mesh:
        counted = await mesh.give("person:dev", "person:ann", INVOKE, conditions=("uses < 1",))
        plain = await mesh.give("person:dev", "person:ann", "agent:*:invoke")
        standing = mesh.decisions.settled(asked(INVOKE, "person:ann"))
        assert standing is not None
        assert standing.grant == plain.id
        assert (await mesh.store.find(counted.id)).uses == 0


async def test_kept_decisions_are_bounded_and_dropped_on_change() -> None:
    """However many agents a caller names."""
    async with meshed() as mesh:
        for number in range(KEPT + 5):
            mesh.decisions.keep(number, Standing())
        assert len(mesh.decisions.kept) == 5
        await mesh.give("person:dev", "person:ann", INVOKE)
        assert mesh.decisions.kept == {}

"""What every store of sessions promises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from a2a_node.model.errors import (
    InvalidInput,
    MeshError,
    PayloadTooLarge,
    SessionExists,
    SessionNotFound,
    StoreUnavailable,
    VersionConflict,
)
from a2a_node.model.sessions import DATA_LIMIT
from a2a_node.model.state import NewSession, Session
from a2a_node.model.state_ports import SessionPlace, Sessions
from tests.contract.states import House

NEW = NewSession(ttl=60.0, agent_id="clerk", user_id="ann", data={"a": 1, "b": [True, None, "ü"], "huge": int(1e300)})


@pytest.fixture
def sessions(state_house: House) -> Sessions:
    """A store with no session in it."""
    return state_house.sessions


def place(session: Session) -> SessionPlace:
    """Where a session stands in a list."""
    return session.created_at, session.id


async def ids(sessions: Sessions, user_id: str = "", agent_id: str = "") -> Sequence[str]:
    """The sessions of a list."""
    return [session.id for session in await sessions.list(user_id=user_id, agent_id=agent_id, limit=100)]


async def test_a_session_comes_back_as_it_was_made(sessions: Sessions) -> None:
    """All of it, at version 1, and every one under an id of its own."""
    made = await sessions.create(NEW)
    assert (made.agent_id, made.user_id, made.data, made.version, made.ttl) == ("clerk", "ann", NEW.data, 1, 60.0)
    assert made.created_at == made.last_accessed
    assert made.expires_at - made.last_accessed == timedelta(seconds=60)
    assert await sessions.get(made.id, peek=True) == made
    assert (await sessions.create(NEW)).id != made.id


async def test_a_session_begins_empty(sessions: Sessions) -> None:
    """Where nothing is said of its data."""
    assert (await sessions.create(NewSession(ttl=1.0))).data == {}


async def test_an_id_of_the_callers_own_is_used_once(sessions: Sessions) -> None:
    """Of twenty who make the same session one succeeds, and nothing of it is overwritten."""
    attempts = (sessions.create(replace(NEW, id="mine", data={"n": number})) for number in range(20))
    made = await asyncio.gather(*attempts, return_exceptions=True)
    [first] = [session for session in made if isinstance(session, Session)]
    assert sum(isinstance(error, SessionExists) for error in made) == 19
    assert (await sessions.get("mine")).data == first.data


@pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": "\0"}, {"\0": 1}, {"a": object()}])
async def test_what_cannot_be_kept_is_refused(sessions: Sessions, data: dict[str, object]) -> None:
    """When a session is made and when it is changed; nothing is left behind."""
    with pytest.raises(InvalidInput, match="data"):
        await sessions.create(replace(NEW, data=data))
    made = await sessions.create(NEW)
    for merge in (True, False):
        with pytest.raises(InvalidInput, match="data"):
            await sessions.update(made.id, data, expected=1, merge=merge)
    assert (await sessions.get(made.id)).data == NEW.data
    assert await ids(sessions) == [made.id]


async def test_a_backslash_is_no_nul(sessions: Sessions) -> None:
    """What merely looks like the escape of U+0000 is kept as it is."""
    data = {"a": "\\u0000", "b": "\\\\u0000"}
    made = await sessions.create(replace(NEW, data=data))
    assert (await sessions.get(made.id)).data == data


@pytest.mark.parametrize("new", [replace(NEW, user_id="\0"), replace(NEW, agent_id="\0"), replace(NEW, id="\0")])
async def test_a_label_that_cannot_be_kept_is_refused(sessions: Sessions, new: NewSession) -> None:
    """It names the field."""
    with pytest.raises(InvalidInput, match="_id"):
        await sessions.create(new)


async def test_too_much_data_is_refused(sessions: Sessions) -> None:
    """At one mebibyte it is kept, beyond it is not, and a merge counts what is there already."""
    most = {"a": "x" * (DATA_LIMIT - len('{"a":""}'))}
    made = await sessions.create(replace(NEW, data=most))
    assert (await sessions.get(made.id)).data == most
    for merge, more in ((False, {"a": f"{most['a']}x"}), (True, {"b": 1})):
        with pytest.raises(PayloadTooLarge, match=str(DATA_LIMIT)):
            await sessions.update(made.id, more, expected=None, merge=merge)
    with pytest.raises(PayloadTooLarge):
        await sessions.create(replace(NEW, data={**most, "b": 1}))
    assert (await sessions.get(made.id)).version == 1


async def test_an_update_replaces_the_data(sessions: Sessions) -> None:
    """The version grows by one, the expiry slides, the rest stays."""
    made = await sessions.create(NEW)
    changed = await sessions.update(made.id, {"c": {"d": None}}, expected=1, merge=False)
    assert (changed.data, changed.version, changed.created_at) == ({"c": {"d": None}}, 2, made.created_at)
    assert changed.expires_at > made.expires_at
    assert await sessions.get(made.id, peek=True) == changed


async def test_a_merge_sets_keys_and_removes_those_given_as_null(sessions: Sessions) -> None:
    """Objects below the top level are replaced whole; nulls that were there stay."""
    made = await sessions.create(replace(NEW, data={"keep": None, "drop": 1, "deep": {"x": 1, "y": 2}}))
    changes = {"drop": None, "deep": {"x": None}, "never": None, "new": 5}
    changed = await sessions.update(made.id, changes, expected=1, merge=True)
    assert changed.data == {"keep": None, "deep": {"x": None}, "new": 5}
    assert changed.version == 2


@pytest.mark.parametrize("merge", [True, False])
async def test_a_lost_update_is_refused(sessions: Sessions, merge: bool) -> None:  # noqa: FBT001
    """Of twenty who build on the same version one succeeds; the others hear both versions."""
    made = await sessions.create(replace(NEW, data={}))
    attempts = (sessions.update(made.id, {str(number): 1}, expected=1, merge=merge) for number in range(20))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    [winner] = [session for session in results if isinstance(session, Session)]
    refused = [error for error in results if isinstance(error, VersionConflict)]
    assert len(refused) == 19
    assert all(dict(error.variables) == {"expected": "1", "actual": "2"} for error in refused)
    assert await sessions.get(made.id, peek=True) == winner


async def test_no_forced_merge_is_lost(sessions: Sessions) -> None:
    """Twenty at once leave all their keys."""
    made = await sessions.create(replace(NEW, data={}))
    attempts = (sessions.update(made.id, {str(number): number}, expected=None, merge=True) for number in range(20))
    await asyncio.gather(*attempts)
    last = await sessions.get(made.id)
    assert last.data == {str(number): number for number in range(20)}
    assert last.version == 21


async def test_a_version_of_the_future_is_refused(sessions: Sessions) -> None:
    """As one of the past is."""
    made = await sessions.create(NEW)
    with pytest.raises(VersionConflict):
        await sessions.update(made.id, {}, expected=2, merge=False)


async def test_every_use_keeps_a_session_alive(state_house: House, sessions: Sessions) -> None:
    """Reading, changing and touching do, by the session's whole ttl."""
    made = await sessions.create(NEW)
    await state_house.elapse(40)
    await sessions.get(made.id)
    await state_house.elapse(40)
    await sessions.update(made.id, {}, expected=1, merge=False)
    await state_house.elapse(40)
    await sessions.touch(made.id)
    await state_house.elapse(40)
    assert (await sessions.get(made.id)).version == 2


async def test_peeking_and_listing_do_not_keep_a_session_alive(state_house: House, sessions: Sessions) -> None:
    """It ends when its time is over."""
    made = await sessions.create(NEW)
    await state_house.elapse(40)
    assert (await sessions.get(made.id, peek=True)).data == NEW.data
    assert await ids(sessions) == [made.id]
    await state_house.elapse(20)
    with pytest.raises(SessionNotFound):
        await sessions.get(made.id)
    assert await ids(sessions) == []


async def test_a_touch_may_bring_another_ttl(state_house: House, sessions: Sessions) -> None:
    """It holds for every later use; version and data stay, and the data does not come along."""
    made = await sessions.create(NEW)
    touched = await sessions.touch(made.id, 600.0)
    assert (touched.ttl, touched.version, touched.data) == (600.0, 1, {})
    await state_house.elapse(599)
    assert (await sessions.get(made.id)).data == NEW.data
    await state_house.elapse(599)
    assert (await sessions.touch(made.id)).ttl == 600.0


@pytest.mark.parametrize("end", ["never", "deleted", "expired"])
async def test_a_session_that_is_not_there_is_named(state_house: House, sessions: Sessions, end: str) -> None:
    """Whether it never was, was deleted or has expired."""
    if end != "never":
        await sessions.create(replace(NEW, id="gone"))
    if end == "deleted":
        assert await sessions.delete("gone")
    await state_house.elapse(60)
    for attempt in (
        sessions.get("gone"),
        sessions.get("gone", peek=True),
        sessions.update("gone", {}, expected=None, merge=False),
        sessions.update("gone", {}, expected=1, merge=True),
        sessions.touch("gone"),
    ):
        with pytest.raises(SessionNotFound, match="gone"):
            await attempt
    assert not await sessions.delete("gone")


@pytest.mark.parametrize("end", ["deleted", "expired"])
async def test_an_id_may_be_used_again_after_the_end(state_house: House, sessions: Sessions, end: str) -> None:
    """The new session begins at version 1 and knows nothing of the old one."""
    await sessions.create(replace(NEW, id="mine"))
    await sessions.update("mine", {"old": 1}, expected=1, merge=True)
    if end == "deleted":
        await sessions.delete("mine")
    else:
        await state_house.elapse(61)
    new = await sessions.create(NewSession(id="mine", ttl=5.0))
    assert (new.version, new.data, new.user_id) == (1, {}, "")
    await state_house.empty()
    assert await sessions.get("mine", peek=True) == new


async def test_a_list_begins_with_the_newest_and_pages(state_house: House, sessions: Sessions) -> None:
    """Every session comes once, without its data, as it is now."""
    made = []
    for number in range(5):
        made.append(await sessions.create(replace(NEW, id=f"s{number}")))
        await state_house.elapse(1)
    await sessions.update("s0", {"x": 1}, expected=1, merge=False)
    first = await sessions.list(limit=2)
    second = await sessions.list(limit=2, after=place(first[-1]))
    third = await sessions.list(limit=2, after=place(second[-1]))
    assert [session.id for session in (*first, *second, *third)] == ["s4", "s3", "s2", "s1", "s0"]
    assert third[0] == replace(await sessions.get("s0", peek=True), data={})


async def test_a_list_is_filtered_by_user_and_agent(sessions: Sessions) -> None:
    """Filters that are given must all hold."""
    for user in ("ann", "bob"):
        for agent in ("clerk", "cook"):
            await sessions.create(replace(NEW, id=f"{user}-{agent}", user_id=user, agent_id=agent))
    assert set(await ids(sessions, user_id="ann")) == {"ann-clerk", "ann-cook"}
    assert set(await ids(sessions, agent_id="cook")) == {"ann-cook", "bob-cook"}
    assert await ids(sessions, user_id="bob", agent_id="clerk") == ["bob-clerk"]
    assert await ids(sessions, user_id="eve") == []


async def test_a_deleted_session_is_not_listed(sessions: Sessions) -> None:
    """From then on."""
    made = await sessions.create(NEW)
    await sessions.delete(made.id)
    assert await ids(sessions) == []


async def test_sessions_survive_an_emptied_redis(state_house: House, sessions: Sessions) -> None:
    """As they were changed last; deleted ones stay deleted."""
    kept = await sessions.create(NEW)
    changed = await sessions.update(kept.id, {"x": 2**53}, expected=1, merge=True)
    gone = await sessions.create(NEW)
    await sessions.delete(gone.id)
    await state_house.empty()
    assert await sessions.get(kept.id, peek=True) == changed
    with pytest.raises(SessionNotFound):
        await sessions.get(gone.id)
    with pytest.raises(SessionExists):
        await sessions.create(replace(NEW, id=kept.id))
    await state_house.empty()
    assert (await sessions.update(kept.id, {"y": 1}, expected=2, merge=True)).version == 3
    await state_house.empty()
    assert await sessions.delete(kept.id)


async def test_without_redis_nothing_is_answered(state_house: House, sessions: Sessions) -> None:
    """Everything says at once that it is away; afterwards all is there as before."""
    made = await sessions.create(NEW)
    await state_house.lose()
    attempts = (
        sessions.create(NEW),
        sessions.get(made.id),
        sessions.update(made.id, {}, expected=1, merge=False),
        sessions.update(made.id, {}, expected=1, merge=True),
        sessions.touch(made.id),
        sessions.delete(made.id),
        sessions.list(limit=1),
    )
    for attempt in attempts:
        with pytest.raises(StoreUnavailable) as failure:
            await attempt
        assert named(failure.value) == "redis"
    await state_house.recover()
    assert await sessions.get(made.id, peek=True) == made


def named(error: MeshError) -> str:
    """The store that an error names."""
    return error.variables["store"]

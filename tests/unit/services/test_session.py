"""SessionService: what a client sends is converted, done and answered, and what is wrong is named by its field."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, MeshError, PageTokenInvalid, SessionExists, SessionNotFound
from a2a_node.model.pages import page_token
from a2a_node.services.session import SessionService
from a2a_node.testing import Clock, MemorySessions
from a2amesh.v1 import session_service_pb2 as pb

DAY = 24 * 3600


async def done(_: Call) -> None:
    """Nothing more to do."""


CALL = Call(method="/m", rest=done)


@pytest.fixture
def clock() -> Clock:
    """The time of the store."""
    return Clock()


@pytest.fixture
def service(clock: Clock) -> SessionService:
    """A service without sessions."""
    return SessionService(MemorySessions(clock))


async def create(service: SessionService, **fields: object) -> pb.Session:
    """Make a session."""
    response = await service.create_session(ParseDict(fields, pb.CreateSessionRequest()), CALL)
    return response.session


async def update(service: SessionService, **fields: object) -> pb.Session:
    """Change a session."""
    response = await service.update_session(ParseDict(fields, pb.UpdateSessionRequest()), CALL)
    return response.session


async def test_a_session_starts_with_what_was_said(service: SessionService) -> None:
    """Every field of the answer says how it stands."""
    session = await create(
        service, sessionId="A.1:b_-", userId="ann", agentId="clerk", data={"n": 1.5, "l": [None, True]}, ttl="90s"
    )
    assert MessageToDict(session) == {
        "sessionId": "A.1:b_-",
        "userId": "ann",
        "agentId": "clerk",
        "data": {"n": 1.5, "l": [None, True]},
        "version": "1",
        "createTime": "2030-01-01T00:00:00Z",
        "lastAccessTime": "2030-01-01T00:00:00Z",
        "expireTime": "2030-01-01T00:01:30Z",
        "ttl": "90s",
    }


async def test_what_is_left_out_has_its_default(service: SessionService) -> None:
    """An id that cannot be guessed, no labels, empty data, a day to live."""
    session = await create(service)
    assert len(session.session_id) >= 32
    assert (session.user_id, session.agent_id, session.ttl.seconds) == ("", "", DAY)
    assert session.HasField("data")
    assert not session.data.fields


@pytest.mark.parametrize(
    ("field", "request_fields"),
    [
        ("session_id", {"sessionId": "a b"}),
        ("session_id", {"sessionId": "x" * 129}),
        ("user_id", {"userId": "x" * 257}),
        ("agent_id", {"agentId": "Not A Name"}),
        ("ttl", {"ttl": "0.999s"}),
        ("ttl", {"ttl": "0s"}),
        ("ttl", {"ttl": "-5s"}),
        ("ttl", {"ttl": f"{30 * DAY}.001s"}),
        ("data", {"data": {"a": "\0"}}),
    ],
)
async def test_a_wrong_field_of_a_new_session_is_named(
    service: SessionService, field: str, request_fields: Mapping[str, object]
) -> None:
    """Nothing is made."""
    with pytest.raises(InvalidInput) as failure:
        await create(service, **request_fields)
    assert failure.value.violations[0][0] == field
    assert not (await service.list_sessions(pb.ListSessionsRequest(), CALL)).sessions


async def test_a_session_is_read_and_peeked_at(service: SessionService, clock: Clock) -> None:
    """Reading slides the expiry, peeking does not."""
    made = await create(service, sessionId="s", ttl="60s")
    clock.advance(30)
    peeked = await service.get_session(pb.GetSessionRequest(session_id="s", peek=True), CALL)
    assert peeked.session == made
    read = await service.get_session(pb.GetSessionRequest(session_id="s"), CALL)
    assert read.session.expire_time.seconds == made.expire_time.seconds + 30


async def test_an_update_replaces_or_merges(service: SessionService) -> None:
    """Unspecified means replace."""
    await create(service, sessionId="s", data={"a": 1, "b": 2})
    merged = await update(
        service, sessionId="s", data={"a": None, "c": 3}, expectedVersion=1, merge="SESSION_MERGE_KEYS"
    )
    assert (MessageToDict(merged.data), merged.version) == ({"b": 2, "c": 3}, 2)
    replaced = await update(service, sessionId="s", data={"d": 4}, force=True)
    assert (MessageToDict(replaced.data), replaced.version) == ({"d": 4}, 3)


@pytest.mark.parametrize(
    ("field", "request_fields"),
    [
        ("precondition", {"sessionId": "s"}),
        ("force", {"sessionId": "s", "force": False}),
        ("expected_version", {"sessionId": "s", "expectedVersion": 0}),
        ("merge", {"sessionId": "s", "force": True, "merge": 7}),
        ("session_id", {"force": True}),
    ],
)
async def test_a_wrong_field_of_an_update_is_named(
    service: SessionService, field: str, request_fields: Mapping[str, object]
) -> None:
    """Nothing is changed."""
    await create(service, sessionId="s")
    with pytest.raises(InvalidInput) as failure:
        await update(service, **request_fields)
    assert failure.value.violations[0][0] == field
    assert (await service.get_session(pb.GetSessionRequest(session_id="s"), CALL)).session.version == 1


async def test_a_touch_slides_the_expiry_without_the_data(service: SessionService, clock: Clock) -> None:
    """With another ttl when one is given."""
    await create(service, sessionId="s", data={"a": 1}, ttl="60s")
    clock.advance(10)
    touched = await service.touch_session(ParseDict({"sessionId": "s"}, pb.TouchSessionRequest()), CALL)
    assert touched.session.expire_time.seconds - touched.session.create_time.seconds == 70
    assert not touched.session.HasField("data")
    longer = await service.touch_session(ParseDict({"sessionId": "s", "ttl": "600s"}, pb.TouchSessionRequest()), CALL)
    assert longer.session.ttl.seconds == 600
    with pytest.raises(InvalidInput, match="ttl"):
        await service.touch_session(ParseDict({"sessionId": "s", "ttl": "0s"}, pb.TouchSessionRequest()), CALL)


async def test_a_session_is_deleted_once(service: SessionService) -> None:
    """The second time there is none."""
    await create(service, sessionId="s")
    assert (await service.delete_session(pb.DeleteSessionRequest(session_id="s"), CALL)).deleted
    assert not (await service.delete_session(pb.DeleteSessionRequest(session_id="s"), CALL)).deleted
    with pytest.raises(SessionNotFound):
        await service.get_session(pb.GetSessionRequest(session_id="s"), CALL)


async def test_an_id_in_use_is_refused(service: SessionService) -> None:
    """A repeated call never makes a second session."""
    await create(service, sessionId="s")
    with pytest.raises(SessionExists):
        await create(service, sessionId="s")


async def test_pages_hold_every_session_once(service: SessionService, clock: Clock) -> None:
    """The newest first, without data; the last page has no token."""
    for number in range(5):
        await create(service, sessionId=f"s{number}", userId="ann", data={"a": 1})
        clock.advance(1)
    await create(service, sessionId="other", userId="bob")
    seen: list[pb.Session] = []
    request = pb.ListSessionsRequest(page_size=2, user_id="ann")
    while True:
        page = await service.list_sessions(request, CALL)
        seen.extend(page.sessions)
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert [session.session_id for session in seen] == ["s4", "s3", "s2", "s1", "s0"]
    assert not any(session.HasField("data") for session in seen)


@pytest.mark.parametrize("mark", ["nonsense", "1e9 s", f"{10**30} s", ""])
async def test_a_token_that_is_none_of_ours_is_refused(service: SessionService, mark: str) -> None:
    """From another list, with other filters, or damaged."""
    tokens = [page_token(repr(("sessions", "", "")), mark), page_token(repr(("sessions", "ann", "")), "1 s"), "%%%"]
    for token in tokens:
        with pytest.raises(PageTokenInvalid):
            await service.list_sessions(pb.ListSessionsRequest(page_token=token), CALL)


@pytest.mark.parametrize("rpc", ["get_session", "touch_session", "delete_session"])
async def test_an_id_is_required_and_has_a_form(service: SessionService, rpc: str) -> None:
    """Every RPC that takes one checks it."""
    requests = {
        "get_session": pb.GetSessionRequest,
        "touch_session": pb.TouchSessionRequest,
        "delete_session": pb.DeleteSessionRequest,
    }
    for session_id in ("", "a/b", "ü", "x" * 129):
        with pytest.raises(MeshError) as failure:
            await getattr(service, rpc)(requests[rpc](session_id=session_id), CALL)
        assert failure.value.violations[0][0] == "session_id"

"""SessionService: the state of conversations."""

from __future__ import annotations

import re

from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import checked_name, checked_text
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.sessions import DEFAULT_TTL, LEAST_TTL, MOST_TTL
from a2a_node.model.state import NewSession, Session
from a2a_node.model.state_ports import Sessions
from a2a_node.services.fields import checked_span, mark, marked
from a2a_node.wire.agents import duration, timestamp
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2amesh.v1 import session_service_pb2 as pb

ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
USER_LENGTH = 256  # characters


class SessionService:
    """Sessions, kept by a store."""

    descriptor = pb.DESCRIPTOR.services_by_name["SessionService"]

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create_session(self, request: pb.CreateSessionRequest, call: Call) -> pb.CreateSessionResponse:
        """Start a session."""
        session = await self._sessions.create(_new(request))
        call.target = f"session:{session.id}"
        return pb.CreateSessionResponse(session=_message(session))

    async def get_session(self, request: pb.GetSessionRequest, _: Call) -> pb.GetSessionResponse:
        """Read a session, and keep it alive unless it is a peek."""
        session = await self._sessions.get(_id(request.session_id), peek=request.peek)
        return pb.GetSessionResponse(session=_message(session))

    async def update_session(self, request: pb.UpdateSessionRequest, _: Call) -> pb.UpdateSessionResponse:
        """Replace the data of a session, or merge its keys."""
        session_id, expected, merge = _id(request.session_id), _expected(request), _merges(request)
        data = to_mapping(request.data)
        session = await self._sessions.update(session_id, data, expected=expected, merge=merge)
        return pb.UpdateSessionResponse(session=_message(session))

    async def touch_session(self, request: pb.TouchSessionRequest, _: Call) -> pb.TouchSessionResponse:
        """Keep a session alive."""
        ttl = checked_span("ttl", request.ttl, LEAST_TTL, MOST_TTL) if request.HasField("ttl") else None
        session = await self._sessions.touch(_id(request.session_id), ttl)
        return pb.TouchSessionResponse(session=_message(session, whole=False))

    async def delete_session(self, request: pb.DeleteSessionRequest, _: Call) -> pb.DeleteSessionResponse:
        """End a session."""
        return pb.DeleteSessionResponse(deleted=await self._sessions.delete(_id(request.session_id)))

    async def list_sessions(self, request: pb.ListSessionsRequest, _: Call) -> pb.ListSessionsResponse:
        """The sessions that fit the filters, the newest first."""
        user_id, agent_id = _labels(request.user_id, request.agent_id)
        scope, size = repr(("sessions", user_id, agent_id)), page_size(request.page_size)
        after = marked(after_token(scope, request.page_token))
        found = await self._sessions.list(user_id=user_id, agent_id=agent_id, after=after, limit=size + 1)
        page = found[:size]
        return pb.ListSessionsResponse(
            sessions=[_message(session, whole=False) for session in page],
            next_page_token=page_token(scope, mark(page[-1].created_at, page[-1].id)) if len(found) > size else "",
        )


def _new(request: pb.CreateSessionRequest) -> NewSession:
    user_id, agent_id = _labels(request.user_id, request.agent_id)
    return NewSession(
        ttl=checked_span("ttl", request.ttl, LEAST_TTL, MOST_TTL) if request.HasField("ttl") else DEFAULT_TTL,
        id=_id(request.session_id) if request.session_id else "",
        agent_id=agent_id,
        user_id=user_id,
        data=to_mapping(request.data),
    )


def _id(text: str) -> str:
    if not text:
        raise InvalidInput("session_id", "is required")
    if not ID.fullmatch(text):
        form = "must be 1 to 128 letters, digits, '.', ':', '_' or '-'"
        raise InvalidInput("session_id", f"{text[:80]!r} {form}")
    return text


def _labels(user_id: str, agent_id: str) -> tuple[str, str]:
    return checked_text("user_id", user_id, USER_LENGTH), checked_name("agent_id", agent_id) if agent_id else ""


def _expected(request: pb.UpdateSessionRequest) -> int | None:
    """The version that the update builds on; None when it is forced."""
    given = request.WhichOneof("precondition")
    if given is None:
        raise InvalidInput("precondition", "is required: give expected_version, the version that was read, or force")
    if given == "force" and not request.force:
        raise InvalidInput("force", "must be true, or expected_version be given in its place")
    if given == "expected_version" and request.expected_version < 1:
        raise InvalidInput("expected_version", f"{request.expected_version} must be at least 1")
    return request.expected_version if given == "expected_version" else None


def _merges(request: pb.UpdateSessionRequest) -> bool:
    if request.merge not in pb.SessionMerge.values():
        raise InvalidInput("merge", f"{request.merge} is not known; see SessionMerge")
    return request.merge == pb.SESSION_MERGE_KEYS


def _message(session: Session, *, whole: bool = True) -> pb.Session:
    """The message of a session, with its data when it is wanted whole."""
    return pb.Session(
        session_id=session.id,
        agent_id=session.agent_id,
        user_id=session.user_id,
        data=from_mapping(session.data, "data") if whole else None,
        version=session.version,
        create_time=timestamp(session.created_at),
        last_access_time=timestamp(session.last_accessed),
        expire_time=timestamp(session.expires_at),
        ttl=duration(session.ttl),
    )

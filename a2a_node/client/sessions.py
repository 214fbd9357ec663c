"""Sessions: state that the calls of one conversation share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.records import moment
from a2a_node.model.state import Session
from a2a_node.wire.agents import duration, seconds
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2amesh.v1 import session_service_pb2 as pb

_CREATE = Rpc("SessionService/CreateSession", pb.CreateSessionRequest, pb.CreateSessionResponse)
_GET = Rpc("SessionService/GetSession", pb.GetSessionRequest, pb.GetSessionResponse)
_UPDATE = Rpc("SessionService/UpdateSession", pb.UpdateSessionRequest, pb.UpdateSessionResponse)
_TOUCH = Rpc("SessionService/TouchSession", pb.TouchSessionRequest, pb.TouchSessionResponse)
_DELETE = Rpc("SessionService/DeleteSession", pb.DeleteSessionRequest, pb.DeleteSessionResponse)
_LIST = Rpc("SessionService/ListSessions", pb.ListSessionsRequest, pb.ListSessionsResponse)


class Sessions:
    """The sessions of the mesh."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def create(
        self,
        data: Mapping[str, object] | None = None,
        *,
        user_id: str = "",
        agent_id: str = "",
        ttl: float | None = None,
        session_id: str = "",
    ) -> Session:
        """Start a session that lives `ttl` seconds after each use, 24 hours when absent; SessionExists."""
        request = pb.CreateSessionRequest(
            user_id=user_id,
            agent_id=agent_id,
            data=None if data is None else from_mapping(data, "data"),
            ttl=None if ttl is None else duration(ttl),
            session_id=session_id,
        )
        return _session((await self._connection.ask(_CREATE, request, terms())).session)

    async def get(self, session_id: str, *, peek: bool = False) -> Session:
        """Read a session and keep it alive, unless this is but a peek; SessionNotFound."""
        request = pb.GetSessionRequest(session_id=session_id, peek=peek)
        return _session((await self._connection.ask(_GET, request, terms())).session)

    async def update(
        self, session_id: str, data: Mapping[str, object], *, expected: int | None, merge: bool = False
    ) -> Session:
        """Replace the data, or merge its keys (None removes one).

        VersionConflict unless `expected` is the session's version; None writes over whatever is there. SessionNotFound.
        """
        request = pb.UpdateSessionRequest(
            session_id=session_id,
            data=from_mapping(data, "data"),
            merge=pb.SESSION_MERGE_KEYS if merge else pb.SESSION_MERGE_REPLACE,
        )
        if expected is None:
            request.force = True
        else:
            request.expected_version = expected
        return _session((await self._connection.ask(_UPDATE, request, terms())).session)

    async def touch(self, session_id: str, ttl: float | None = None) -> Session:
        """Keep a session alive, with another ttl in seconds when one is given; comes without data. SessionNotFound."""
        request = pb.TouchSessionRequest(session_id=session_id, ttl=None if ttl is None else duration(ttl))
        return _session((await self._connection.ask(_TOUCH, request, terms())).session)

    async def delete(self, session_id: str) -> bool:
        """End a session; False when there was none."""
        request = pb.DeleteSessionRequest(session_id=session_id)
        return (await self._connection.ask(_DELETE, request, terms())).deleted

    async def list(self, *, user_id: str = "", agent_id: str = "") -> AsyncIterator[Session]:
        """The live sessions without their data, fetched page by page."""
        request = pb.ListSessionsRequest(user_id=user_id, agent_id=agent_id)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.sessions:
                yield _session(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _session(message: pb.Session) -> Session:
    return Session(
        id=message.session_id,
        agent_id=message.agent_id,
        user_id=message.user_id,
        data=to_mapping(message.data),
        version=message.version,
        ttl=seconds(message.ttl),
        created_at=moment(message.create_time),
        last_accessed=moment(message.last_access_time),
        expires_at=moment(message.expire_time),
    )

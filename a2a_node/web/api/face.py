"""The JSON face of the node's services, at `/api/v1`: every RPC but those of nodes, in the layers that gRPC's pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog
from google.protobuf.message import Message
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2a_node.model.errors import MeshError, MethodNotAllowed, NodeDraining, PathNotFound, UpgradeRequired
from a2a_node.web.api import callers
from a2a_node.web.api.answers import as_json
from a2a_node.web.api.attending import attended
from a2a_node.web.api.events import Events
from a2a_node.web.api.positions import place_of
from a2a_node.web.api.requests import Reader
from a2a_node.web.api.resources import Endpoint, endpoints_of
from a2a_node.web.api.routing import Found, Paths, path_of
from a2a_node.web.api.talks import Place, Talks
from a2a_node.web.api.versions import VERSION, headers_of
from a2a_node.web.bodies import Disconnected, limit_of, whole
from a2a_node.web.doorway import Doorway, Drains, Http, named
from a2a_node.web.edge.bodies import declared
from a2a_node.web.errors import answer_of
from a2a_node.web.rpcs import Asking, Rpcs

JSON = "application/json"
log = structlog.get_logger()


class Face:
    """The application at `/api/v1`; its paths are made with the first request."""

    def __init__(self, rpcs: Rpcs, drains: Drains, place: Place, doorway: Doorway) -> None:
        self._rpcs, self._drains, self._place = rpcs, drains, place
        self._reader = Reader()
        self._talks = Talks(rpcs, drains, (place, self._reader), doorway)
        self._paths: Paths | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one WebSocket."""
        if scope["type"] == "websocket":
            await self._talked((scope, receive, send))
            return
        path, method = path_of(scope), scope["method"]
        found = self._ways().find(path, method)
        if isinstance(found, tuple):
            await self._served(found, (scope, receive, send))
            return
        failure = MethodNotAllowed(method, ", ".join(found)) if found else PathNotFound(path)
        await answer_of(failure, VERSION)(scope, receive, send)

    async def _talked(self, http: Http) -> None:
        path = path_of(http[0])
        found = self._ways().find(path, "GET")
        if not isinstance(found, tuple) or not found[0].talks:
            await answer_of(PathNotFound(path), VERSION)(*http)
            return
        await self._talks.serve(found, http)

    def _ways(self) -> Paths:
        if self._paths is None:
            self._paths = Paths(endpoints_of(self._rpcs.methods))
        return self._paths

    async def _served(self, found: Found, http: Http) -> None:
        endpoint = found[0]
        headers = headers_of(endpoint)
        try:
            await self._answered(found, http, headers)
        except Disconnected:
            log.debug("a client has left", operation=endpoint.name)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            await answer_of(named(failure, endpoint.rpc), headers)(*http)

    async def _answered(self, found: Found, http: Http, headers: Mapping[str, str]) -> None:
        (scope, receive, send), endpoint = http, found[0]
        asking = callers.asking(scope)
        request = await self._request(found, http, asking)
        if endpoint.streams:
            events = Events(send, place_of(endpoint.descriptor), headers)
            await self._streamed(endpoint, request, asking, (events, receive))
            return
        answer = await attended(self._rpcs.ask(endpoint.rpc, request, asking), receive)
        await Response(await as_json(answer), 200, headers, JSON)(*http)

    async def _request(self, found: Found, http: Http, asking: Asking) -> Message:
        (scope, receive, _), endpoint = http, found[0]
        try:
            callers.checked(scope)
            body = await whole(receive, limit_of(self._place.payload_limit), declared(scope))
            if endpoint.talks:
                raise UpgradeRequired(path_of(scope))
            return await self._reader.read(*found, scope, body)
        except MeshError as failure:
            await self._rpcs.refuse(endpoint.rpc, failure, asking)
            raise

    async def _streamed(self, endpoint: Endpoint, request: Message, asking: Asking, to: tuple[Events, Receive]) -> None:
        events, receive = to
        ends = self._drains.asked() if self._rpcs.endless(endpoint.rpc) else self._drains.over()
        work = self._rpcs.stream(endpoint.rpc, request, replace(asking, admitted=events.admit), events.write)
        async with events.alive():
            failure = None
            try:
                await attended(work, receive, (ends, NodeDraining(self._place.node_id)))
            except Disconnected:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                failure = error
        if failure is not None and not events.begun:
            raise failure
        await events.end(None if failure is None else named(failure, endpoint.rpc))

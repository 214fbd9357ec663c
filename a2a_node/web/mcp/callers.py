"""Who asks: what of an HTTP request the layers are told, and whom they found behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from starlette.datastructures import Headers
from starlette.types import Scope

from a2a_node.access.decisions import Asked
from a2a_node.model.call import Call
from a2a_node.model.mcp import ASK
from a2a_node.model.names import VARIANTS
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.model.trace import BAGGAGE, TRACEPARENT, TRACESTATE
from a2a_node.web.peers import peer_of
from a2a_node.wire.calls import AUTHORIZATION, CALL_TOKEN

PASSED_ON = (AUTHORIZATION, CALL_TOKEN, TRACEPARENT, TRACESTATE, BAGGAGE, "user-agent")
OF_TRACE = (TRACEPARENT, TRACESTATE, BAGGAGE)
SESSION = "mcp-session-id"
SCOPE = "a2a.caller"  # where a request's ASGI scope has its caller
LONGEST = 200  # characters of a session's name


@dataclass(slots=True)
class Caller:
    """Whoever sent a request; `principal` and what follows are known once the layers let it through."""

    metadata: Mapping[str, str] = field(repr=False)
    peer: str = ""
    session: str = ""
    principal: Principal = NOBODY
    chain: tuple[Principal, ...] = ()
    scopes: tuple[tuple[str, ...], ...] = ()
    tools: bytes = b""  # a page of tools that the answer is to have

    @classmethod
    def of(cls, scope: Scope) -> Caller:
        """The sender of an HTTP request."""
        headers = Headers(scope=scope)
        metadata = {name: headers[name] for name in PASSED_ON if name in headers}
        return cls(metadata, peer_of(scope), headers.get(SESSION, "")[:LONGEST])

    async def noted(self, call: Call) -> None:
        """Keep whom the layers found."""
        envelope = call.envelope
        own = () if call.scopes is None else (call.scopes,)
        self.principal = call.principal
        self.chain = (envelope.authority if envelope is not None else ()) or (call.principal,)
        self.scopes = (envelope.scopes if envelope is not None else ()) + own

    def asking(self) -> Call:
        """What the layers are asked of every request: who it is, and whether they may be heard at all."""
        return Call(method=ASK, rest=self.noted, metadata=self.metadata, peer_of=lambda: self.peer)

    def asked(self, permission: str) -> Asked:
        """The question whether this caller may do something."""
        return Asked(permission, self.chain, self.scopes)

    def traced(self, meta: Mapping[str, object]) -> Mapping[str, str]:
        """What a call of this caller's travels with; a request's own word on its trace goes before the connection's."""
        own = {name: value for name in OF_TRACE if isinstance(value := meta.get(name), str)}
        return {**self.metadata, **own} if own else self.metadata

    def call_id(self, request: object) -> str:
        """The id of the call that a request of this session makes, the same on every node; empty without a session.

        It is a hash of all in whose name the call is made, so that whoever has made it alone gets the same.
        """
        if not self.session:
            return ""
        raw = hashlib.sha256(json.dumps([*map(str, self.chain), self.session, request]).encode()).hexdigest()
        return f"{raw[:8]}-{raw[8:12]}-5{raw[13:16]}-{VARIANTS[raw[16]]}{raw[17:20]}-{raw[20:32]}"


def caller_of(request: object) -> Caller:
    """The caller of a Starlette request that came through the door."""
    scope = cast("Mapping[str, object]", getattr(request, "scope", {}))
    caller = scope.get(SCOPE)
    if not isinstance(caller, Caller):
        raise TypeError("a request came in beside the door")
    return caller

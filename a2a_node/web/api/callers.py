"""Who asks over HTTP: what of a request the layers are told."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import Scope

from a2a_node.model.errors import InvalidInput
from a2a_node.model.trace import BAGGAGE, TRACEPARENT, TRACESTATE
from a2a_node.web.peers import peer_of
from a2a_node.web.rpcs import Asking
from a2a_node.wire.calls import AUTHORIZATION, CALL_TOKEN

PASSED_ON = (AUTHORIZATION, CALL_TOKEN, TRACEPARENT, TRACESTATE, BAGGAGE, "user-agent")
API_KEY, TIMEOUT = "x-api-key", "a2a-timeout"
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def asking(scope: Scope) -> Asking:
    """The sender of a request, and how long it wants to wait."""
    headers = Headers(scope=scope)
    metadata = {name: headers[name] for name in PASSED_ON if name in headers}
    if API_KEY in headers and AUTHORIZATION not in metadata:
        metadata[AUTHORIZATION] = f"Bearer {headers[API_KEY]}"
    return Asking(metadata, peer_of(scope), _seconds(headers.get(TIMEOUT)))


def checked(scope: Scope) -> None:
    """InvalidInput for a header that does not say what it should."""
    text = Headers(scope=scope).get(TIMEOUT)
    if text is not None and not _seconds(text):
        raise InvalidInput(TIMEOUT, "must be a number of seconds above 0, for example 2.5")


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and SECONDS.fullmatch(text) else None

"""What pages of other sites may ask, where the settings name such sites; imported where they do."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from a2a_node.model.errors import InvalidInput, MeshError, OriginRefused
from a2a_node.web.errors import answer_of

ASKED_METHOD, ASKED_HEADERS = "access-control-request-method", "access-control-request-headers"
ASKED_NETWORK = "access-control-request-private-network"
BODY = ("content-length", "content-type")
LEAVE = 200


class Sharing(CORSMiddleware):
    """The layer: Starlette's, but for preflights that it refuses, which are told in the one shape of errors."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks beforehand."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == LEAVE:
            return answer
        headers = {name: text for name, text in answer.headers.items() if name not in BODY}
        return answer_of(self._failure(request_headers), headers)

    def _failure(self, asked: Headers) -> MeshError:
        if not self.is_allowed_origin(asked["origin"]):
            return OriginRefused(asked["origin"])
        names = [name.strip().lower() for name in asked.get(ASKED_HEADERS, "").split(",")]
        strange = [name[:80] for name in names if name and name not in self.allow_headers]
        faults = []
        if asked[ASKED_METHOD] not in self.allow_methods:
            faults.append((ASKED_METHOD, f"must be one of {', '.join(self.allow_methods)}"))
        if strange:
            faults.append((ASKED_HEADERS, f"{strange[0]!r} may not be sent; leave it out"))
        first, *more = faults or [(ASKED_NETWORK, "pages of public networks may not ask; open the page from this one")]
        return InvalidInput(*first, more)

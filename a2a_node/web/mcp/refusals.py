"""How a request is refused before it is read: HTTP's status, and why as a JSON-RPC error of no request.

Whoever is not known is told where to ask for a token, as MCP's authorization wants it (RFC 6750, RFC 9728).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from a2a_node.model.errors import MeshError
from a2a_node.web.errors import status_of
from a2a_node.web.mcp.results import said

PATH = "/mcp"
METADATA = "/.well-known/oauth-protected-resource"
REFUSED = -32600  # JSON-RPC's invalid request


def refusal(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that is not looked at."""
    error = {"code": REFUSED, "message": why}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers)


def refused(failure: MeshError, scope: Scope) -> Response:
    """The answer to somebody whom the layers have refused."""
    status, headers = status_of(failure), dict[str, str]()
    if status == HTTPStatus.UNAUTHORIZED:
        where = f"{_base(scope)}{METADATA}{PATH}"
        headers["WWW-Authenticate"] = (
            f'Bearer realm="a2a-node", error="invalid_token", error_description="{_quoted(failure.message)}", '
            f'resource_metadata="{where}"'
        )
    if failure.retry_after is not None:
        headers["Retry-After"] = str(ceil(failure.retry_after))
    return refusal(status, said(failure), headers)


def metadata(scope: Scope, issuers: Sequence[str]) -> Response:
    """What the node says of itself as a protected resource: whose tokens it believes, and how they are sent."""
    servers = [issuer for issuer in issuers if issuer.startswith(("https://", "http://"))]
    about: dict[str, object] = {
        "resource": f"{_base(scope)}{PATH}",
        "resource_name": "a2a-node",
        "bearer_methods_supported": ["header"],
    }
    return JSONResponse({**about, "authorization_servers": servers} if servers else about)


def _base(scope: Scope) -> str:
    url = Request(scope).url
    return f"{url.scheme}://{url.netloc}"


def _quoted(text: str) -> str:
    """As it may stand in a header's quotes."""
    return "".join(letter for letter in text if " " <= letter <= "~" and letter not in '"\\')

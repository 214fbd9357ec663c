"""What every answer says of the API's version, and of the end of an RPC that goes out of use (RFC 9745, RFC 8594).

An RPC is marked `deprecated` in the contract and dated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from a2a_node.web.api.resources import Endpoint

VERSION: Mapping[str, str] = {"a2a-api-version": "v1"}


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Since when an RPC is not to be used any more, until when it is served, and the path of what follows it."""

    since: datetime
    until: datetime | None = None
    successor: str = ""


# By the RPC's full name. One that is marked in the contract and not dated here fails a test.
DEPRECATIONS: Mapping[str, Deprecation] = {}
UNDATED = Deprecation(datetime(2026, 11, 27, tzinfo=UTC))  # when v1 began


def headers_of(endpoint: Endpoint, dates: Mapping[str, Deprecation] = DEPRECATIONS) -> Mapping[str, str]:
    """The version, and what answers of an endpoint say of its end while it has one."""
    if not endpoint.descriptor.GetOptions().deprecated:
        return VERSION
    found = dates.get(endpoint.rpc, UNDATED)
    headers = {**VERSION, "deprecation": f"@{int(found.since.timestamp())}"}
    if found.until is not None:
        headers["sunset"] = format_datetime(found.until, usegmt=True)
    if found.successor:
        headers["link"] = f'<{found.successor}>; rel="successor-version"'
    return headers

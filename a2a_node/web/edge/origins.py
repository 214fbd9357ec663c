"""Where a request may come from: what keeps pages of other sites from reaching a node through their readers' browsers.

A page that has its own name resolved to this machine sends that name as `Host` (DNS rebinding). So the host must be an
address, which no name server has a say in, or a name that the node is known by. A request with an `Origin` comes from a
page, which must be this node's own, on this machine, or of an origin that the settings let ask.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOCAL = "localhost"
Refusal = tuple[int, str]


class Guard:
    """Knows the names of the node; `names` are those besides localhost, `origins` those whose pages may ask."""

    def __init__(self, names: Iterable[str], origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origins)
        self._names = frozenset((LOCAL, *(name.lower() for name in names if name)))

    def refusal(self, headers: Headers) -> Refusal | None:
        """The HTTP status and why a request is refused; None where it is not."""
        host = headers.get("host", "")
        if not self._known(_name(host)):
            return 421, f"the host {host[:80]!r} is no name of this node; ask by its address, or name it in mcp_hosts"
        origin = self.stranger(headers)
        return (403, f"pages of {origin[:80]!r} may not ask this node") if origin else None

    def stranger(self, headers: Headers) -> str:
        """The origin whose page asks and may not; empty where none does."""
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is None or origin in self._origins or self._own(origin, host):
            return ""
        return origin or "no origin"

    def _own(self, origin: str, host: str) -> bool:
        place = urlsplit(origin).netloc if "://" in origin else ""
        name = _name(place)
        return place != "" and (place == host or _is_loopback(name) or name in self._names)

    def _known(self, name: str) -> bool:
        return name in self._names or _address(name) is not None


def _name(place: str) -> str:
    """The host of `host:port`, in lower case and without brackets; empty for what is none."""
    try:
        return (urlsplit(f"//{place}").hostname or "").lower()
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name == LOCAL or (address is not None and address.is_loopback)

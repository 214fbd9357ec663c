"""What may enter the registry, and who may change what is there."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from a2a_node.mesh.entries import Entry
from a2a_node.model.agents import InstanceKind
from a2a_node.model.errors import AgentHeld, AgentOwned, InvalidInput
from a2a_node.model.principal import Principal

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9.])?")
ADDRESS_FORM = "must be `host:port`, `[v6]:port` or `unix:/path`"
SOCKET_PATH = 107  # bytes that the system takes
SHORTEST_LEASE, LONGEST_LEASE = 1.0, 600.0  # seconds


def checked_address(address: str) -> str:
    """The address itself; InvalidInput when its form is wrong."""
    if not address:
        raise InvalidInput("address", "is required")
    scheme, _, path = address.partition(":")
    fits = _is_path(path) if scheme == "unix" else _is_host_and_port(address)
    if not fits:
        raise InvalidInput("address", f"{address[:80]!r} {ADDRESS_FORM}")
    return address


def checked_lease(seconds: float) -> float:
    """The span itself; InvalidInput when it is too short or too long."""
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        raise InvalidInput("lease", f"{seconds:g} s must be {SHORTEST_LEASE:g} to {LONGEST_LEASE:g} s")
    return seconds


def check_owner(entry: Entry, principal: Principal) -> None:
    """AgentOwned unless the principal owns the agent, is a node, or is the developer on a machine of their own."""
    trusted = principal.kind == "node" or principal == Principal("person", "dev")
    if not trusted and entry.agent.owner != str(principal):
        raise AgentOwned(entry.name, entry.agent.owner)


def check_not_held(entry: Entry) -> None:
    """AgentHeld while a node hosts the agent or has it attached."""
    nodes = sorted({instance.node for instance in entry.instances if instance.kind is not InstanceKind.ENDPOINT})
    if nodes:
        raise AgentHeld(entry.name, nodes)


def _is_path(path: str) -> bool:
    return path.startswith("/") and "\0" not in path and len(path.encode()) <= SOCKET_PATH


def _is_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    numbered = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 1 << 16
    return numbered and (bool(HOST.fullmatch(host)) or _is_bracketed(host))


def _is_bracketed(host: str) -> bool:
    try:
        return host[:1] + host[-1:] == "[]" and bool(IPv6Address(host[1:-1]))
    except AddressValueError:
        return False

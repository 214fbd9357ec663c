"""Where a node and its clients find each other on one machine: the data directory, the development key, the address."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ADDRESS = "127.0.0.1:50051"
KEY_FILE = "dev.key"


@dataclass(frozen=True, slots=True)
class EngineDoor:
    """Where the workflow engine of a node finds it, and the key that it shows there."""

    address: str  # of a Unix socket, as gRPC has it
    key: str = field(repr=False)


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a node keeps its data: `A2A_DATA_DIR`, else the machine's place for root, else the user's own."""
    if chosen := environ.get("A2A_DATA_DIR"):
        return Path(chosen)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/a2a-node")  # not the home of root, which no other user may enter
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "a2a-node"


def node_address(environ: Mapping[str, str] = os.environ) -> str:
    """Where clients look for a node: `A2A_ADDRESS`, else the address that a node listens on by default."""
    return environ.get("A2A_ADDRESS") or DEFAULT_ADDRESS


def client_key(address: str, environ: Mapping[str, str] = os.environ, *, certified: bool = False) -> str:
    """The key for a node: `A2A_KEY`, else the development key of this machine's own node; empty where there is none.

    Whoever has a certificate proves itself by that, and sends but a key that was named.
    """
    if chosen := environ.get("A2A_KEY"):
        return chosen
    if certified or not _is_here(address):  # a key of this machine's node is nobody else's business
        return ""
    try:
        return (default_data_dir(environ) / KEY_FILE).read_text(encoding="utf-8").strip()
    except OSError:  # the node may belong to another user, or may not have been started: it will say what is missing
        return ""


def _is_here(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False

"""Ports for servers of tests that have to know them before they start, and keep them when they start again.

They lie below those that systems hand to outgoing connections, and those of embedded stores, and are claimed as long as
the process lives that asked: no other test gets them while their server is down.
"""

from __future__ import annotations

import secrets
import socket
import sys

FIRST, PORTS = 10_000, 5_000
_claims: list[socket.socket] = []  # held to the end of the process


def free_port() -> int:
    """A port that nobody listens on, on any address of this machine, and that no other process gets from here."""
    return next(port for port in iter(lambda: FIRST + secrets.randbelow(PORTS), None) if _claimed(port))


def _claimed(port: int) -> bool:
    claim, probe = socket.socket(socket.AF_UNIX), socket.socket()
    try:
        with probe:
            if sys.platform == "linux":  # a name without a file, which goes with its process
                claim.bind(f"\0a2a-test-port-{port}")
            probe.bind(("", port))
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True

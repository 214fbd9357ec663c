"""Ids of calls: those that nodes make tell which node knows the call, and whether it is still the same process.

They are UUIDs of version 8: 32 bits of a hash of the node's id, 16 random bits of its process, 74 of the call. Nobody
takes another UUID for one of them: it has another version, or the hash of no node.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from a2a_node.model.names import VARIANTS, fresh_bits

VERSION = "8"
NODE, PROCESS = slice(0, 8), slice(9, 13)  # where they stand in the canonical form


def hashed(node_id: str) -> str:
    """What stands for a node in its calls' ids."""
    return sha256(node_id.encode()).hexdigest()[NODE]


def is_of(call_id: str, node_id: str) -> bool:
    """Whether that node has made the id, in canonical form; one in four billion others may have."""
    return call_id[14] == VERSION and call_id[NODE] == hashed(node_id)


class CallIds:
    """The ids that one process of a node makes."""

    def __init__(self, node_id: str) -> None:
        self._node, self._process = hashed(node_id), secrets.token_hex(2)

    def fresh(self) -> str:
        """An id that nobody had before; 1 µs, as every call pays it."""
        raw = fresh_bits().hex()
        return f"{self._node}-{self._process}-8{raw[13:16]}-{VARIANTS[raw[16]]}{raw[17:20]}-{raw[20:]}"

    def outlived(self, call_id: str) -> bool:
        """Whether an earlier process of this node has made the id: what that knew is gone with it."""
        return call_id[14] == VERSION and call_id[NODE] == self._node and call_id[PROCESS] != self._process

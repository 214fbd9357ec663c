"""Names of tools: an agent's and its capability's, in at most 64 letters, digits, `-` and `_`, as all clients take.

`echo` and `say` make `echo__say`. Names of the mesh have no capitals, so these stand for what a tool's name cannot
have: `P` for a point, and `U` for an underscore beside another one or at the end, so that the first `__` parts the
two. What is longer than 64 characters ends in `H` and a hash of both. So no two names make the same, and each can be
read back; one with a hash by those who know all the names.
"""

from __future__ import annotations

import re
from hashlib import sha256

LONGEST = 64
PART = "__"
HASH = 24  # hexadecimal digits: 96 bits
KEPT = LONGEST - HASH - 1
OWN = "mesh_"  # how the node's own tools begin, which have no `__`
_BESIDE = re.compile(r"(?<=_)_|_$")
_HASHED = re.compile(rf"[a-zPU0-9_-]{{{KEPT}}}H[0-9a-f]{{{HASH}}}")
_PLAIN = re.compile(r"[a-z][a-zPU0-9_-]*")


def tool_name(agent: str, capability: str) -> str:
    """The tool's name of an agent's capability."""
    name = f"{_written(agent)}{PART}{_written(capability)}"
    if len(name) <= LONGEST:
        return name
    return f"{name[:KEPT]}H{sha256(f'{agent} {capability}'.encode()).hexdigest()[:HASH]}"


def named(tool: str) -> tuple[str, str] | None:
    """The agent and the capability of a tool's name; None for one with a hash, and for what is no such name."""
    agent, part, capability = tool.partition(PART)
    if len(tool) > LONGEST or not part or not all(map(_PLAIN.fullmatch, (agent, capability))):
        return None
    found = _read(agent), _read(capability)
    return found if tool_name(*found) == tool else None


def is_hashed(tool: str) -> bool:
    """Whether only those who know all the names can tell what it stands for."""
    return _HASHED.fullmatch(tool) is not None


def _written(name: str) -> str:
    return _BESIDE.sub("U", name).replace(".", "P")


def _read(name: str) -> str:
    return name.replace("U", "_").replace("P", ".")

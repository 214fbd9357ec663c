"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """An agent, a node or a person, proven by key, token or certificate."""

    kind: str  # "agent", "node", "person" or "nobody"
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


NOBODY = Principal("nobody", "")

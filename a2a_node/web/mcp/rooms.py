"""What is behind the door for MCP, together."""

from __future__ import annotations

from dataclasses import dataclass, field

from a2a_node.web.mcp.administration import Administration
from a2a_node.web.mcp.calling import Calling
from a2a_node.web.mcp.catalogue import Catalogue
from a2a_node.web.mcp.errands import Errands
from a2a_node.web.rpcs import Rpcs


@dataclass(frozen=True, slots=True)
class Rooms:
    """The tools there are, and what they do."""

    catalogue: Catalogue
    calling: Calling
    administration: Administration
    rpcs: Rpcs
    version: str  # of the node
    errands: Errands = field(default_factory=Errands)

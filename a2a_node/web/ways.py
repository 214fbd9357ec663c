"""Figures of the ways to agents: links to other nodes, tries, and breakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from time import monotonic

from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.copies import Copies
from a2a_node.mesh.hedge import Hedges
from a2a_node.mesh.peers import Peers
from a2a_node.mesh.retry import Tries
from a2a_node.web.figures import Figure


@dataclass(frozen=True, slots=True)
class Ways:
    """The rooms that know them."""

    peers: Peers
    arrivals: Arrivals
    copies: Copies
    tries: Tries
    hedges: Hedges


def of_ways(ways: Ways) -> Sequence[Figure]:
    """How calls get to agents, here and on other nodes."""

    def links() -> Mapping[str, float]:
        return {"out": len(ways.peers), "in": len(ways.arrivals)}

    def loads() -> Mapping[str, float]:
        return {"out": ways.peers.load(), "in": ways.arrivals.load()}

    def tries() -> Mapping[str, float]:
        return {"again": ways.tries.again, "unpaid": ways.tries.unpaid, "late": ways.tries.late}

    def hedges() -> Mapping[str, float]:
        return asdict(ways.hedges)

    def states() -> Mapping[str, float]:
        return ways.copies.states(monotonic())

    tried = "Calls that failed and were tried again, or not, because the budget was used up or no time was left"
    hedged = (
        "Calls that were not answered in time: a second try won or lost, was unpaid by the budget, or had nobody to ask"
    )
    opened = "Times that an instance was taken out because it was lost or broke the rules"
    return (
        Figure("a2a_peer_links", "Links to other nodes, and from them", links, "direction"),
        Figure("a2a_peer_calls", "Calls that other nodes have from here, and that they have here", loads, "direction"),
        Figure("a2a_retries", tried, tries, "result", grows=True),
        Figure("a2a_hedges", hedged, hedges, "result", grows=True),
        Figure("a2a_breakers", "Breakers of instances, by how they stand", states, "state"),
        Figure("a2a_breaker_openings", opened, lambda: ways.copies.opened, grows=True),
        Figure("a2a_instances_in_flight", "Calls that instances have from this node", ways.copies.in_flight),
    )

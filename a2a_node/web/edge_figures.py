"""What a node shows of its port for HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.web.edge.habits import Counts
from a2a_node.web.figures import Figure


def of_edge(counts: Counts) -> Sequence[Figure]:
    """Who is connected, and who was turned away."""
    why = "Requests and connections over HTTP that were turned away, by why"
    rules = "Requests over HTTP that rules of request inspection kept out, by rule"
    return (
        Figure("a2a_http_connections", "Connections over HTTP that are open", lambda: counts.open),
        Figure("a2a_http_refused", why, lambda: dict(counts.refused), "why", grows=True),
        Figure("a2a_http_blocked", rules, counts.by_rule, "rule", grows=True),
    )

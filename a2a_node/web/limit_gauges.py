"""What a node shows of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from a2a_node.limits.limiter import Limiter
from a2a_node.web.figures import Figure

BY_AGENT = {
    "admitted": "Calls within their limit",
    "refused": "Calls that came faster than their limit",
    "leases": "Leases of tokens taken from Redis",
    "redis_trips": "Questions for tokens to Redis",
    "alone_calls": "Calls within this node's own share, because Redis was away",
}


def of_limits(limiter: Limiter) -> Sequence[Figure]:
    """How fast callers are let through, by the agent that they call."""
    fell_back = "Times that limits fell back to this node's own share"
    return (
        *(_by_agent(limiter, name, about) for name, about in BY_AGENT.items()),
        Figure("a2a_limit_fallbacks", fell_back, lambda: limiter.reach.fallbacks, grows=True),
        Figure("a2a_limit_alone", "1 while limits are kept by this node's own share", limiter.alone),
        Figure("a2a_limit_buckets", "Buckets that this node has tokens or news of", lambda: len(limiter)),
    )


def _by_agent(limiter: Limiter, name: str, about: str) -> Figure:
    count = attrgetter(name)
    return Figure(f"a2a_limit_{name}", about, lambda: limiter.tallies.read(count), "agent", grows=True)

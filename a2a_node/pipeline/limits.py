"""The limits layer: how fast somebody may call. Decided from leases in memory; refused with RATE_LIMITED.

Buckets belong to the principal at the root of a call: whoever lets agents call for it empties its own bucket of what
they call, so that no number of agents in between gives it more. Only what the directory has gets a bucket: names
that a caller invents are refused as not found, and cost nothing. A call that another node hands on was counted where
it came in.

What an agent's own gRPC services are called is anybody's invention: all their methods share one bucket, but for those
that a limit names.
"""

from __future__ import annotations

from collections.abc import Awaitable

from a2a_node.limits.limiter import Limiter
from a2a_node.limits.rules import Rules
from a2a_node.mesh.route import Finds, offered
from a2a_node.model.call import Call, Proceed
from a2a_node.model.limits import LimitKey


class Limits:
    """The layer `check`; `rules` say how fast, the `limiter` counts."""

    def __init__(self, directory: Finds, rules: Rules, limiter: Limiter) -> None:
        self._directory = directory
        self._rules = rules
        self._limiter = limiter

    def check(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Take what the call costs; AgentNotFound, CapabilityNotFound, RateLimited."""
        if not call.agent or call.carrier:
            return proceed(call)
        asked = offered(call, self._directory.find(call.agent).agent.descriptor)
        bucket = asked.name if call.proxied is None else self._rules.bucket_of(asked.name)
        key = LimitKey(paying(call), call.agent, bucket)
        rate = self._rules.rate(key, asked)
        if self._limiter.taken(key, rate, asked.cost):
            return proceed(call)
        return self._awaited(call, proceed, self._limiter.take(key, rate, asked.cost))

    async def _awaited(self, call: Call, proceed: Proceed, tokens: Awaitable[None]) -> None:
        await tokens
        await proceed(call)


def paying(call: Call) -> str:
    """Whose bucket a call empties."""
    envelope = call.envelope
    return str(envelope.authority[0] if envelope is not None and envelope.authority else call.principal)

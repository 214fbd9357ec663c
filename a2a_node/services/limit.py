"""LimitService: how fast callers may call; set, asked about, listed and forgotten."""

from __future__ import annotations

from contextlib import suppress

from a2a_node.limits.limiter import Limiter
from a2a_node.limits.rules import Rules
from a2a_node.mesh.route import Finds
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentNotFound, CapabilityNotFound
from a2a_node.model.limit_ports import Limits
from a2a_node.model.limits import LimitKey, checked_rate
from a2a_node.model.names import checked_name
from a2a_node.model.pages import paged
from a2a_node.model.principal import checked_principal
from a2a_node.model.proxied import PROXIED, is_method
from a2a_node.wire.agents import duration
from a2a_node.wire.limits import from_limit, to_key
from a2amesh.v1 import limit_service_pb2 as pb

LONGEST = 1e9  # seconds: what is told of a bucket that never fills


class LimitService:
    """Limits; `rules` know which applies, the `limiter` how the buckets stand."""

    descriptor = pb.DESCRIPTOR.services_by_name["LimitService"]

    def __init__(self, limits: Limits, rules: Rules, limiter: Limiter, directory: Finds) -> None:
        self._limits = limits
        self._rules = rules
        self._limiter = limiter
        self._directory = directory

    async def set_limit(self, request: pb.SetLimitRequest, call: Call) -> pb.SetLimitResponse:
        """Set the limit of a key."""
        key, rate = _checked(to_key(request.key)), checked_rate(request.rate, request.burst)
        limit, revision = await self._limits.put(key, rate, str(call.principal))
        await self._rules.reached(revision)
        return pb.SetLimitResponse(limit=from_limit(limit))

    async def get_limit(self, request: pb.GetLimitRequest, call: Call) -> pb.GetLimitResponse:
        """Which limit applies, and how the bucket stands where there is exactly one."""
        key = _checked(to_key(request.key))
        key = key._replace(principal=key.principal or str(call.principal))
        offered = self._offered(key)
        limit = self._rules.limit(key, offered)
        if offered is None:
            return pb.GetLimitResponse(limit=from_limit(limit))
        if is_method(key.capability):
            key = key._replace(capability=self._rules.bucket_of(key.capability))
        level, wait, alone = await self._limiter.look(key, limit.rate)
        bucket = pb.BucketState(
            available=level.available,
            leased=level.leased,
            retry_after=duration(min(wait, LONGEST)) if wait else None,
            fallback=alone,
        )
        return pb.GetLimitResponse(limit=from_limit(limit), bucket=bucket)

    async def list_limits(self, request: pb.ListLimitsRequest, _: Call) -> pb.ListLimitsResponse:
        """The limits that were set and fit the filters, by key."""
        wanted = _checked(LimitKey(request.principal, request.agent, request.capability))
        fit = [limit for limit in self._rules.all() if _fits(limit.key, wanted)]
        page, token = paged(fit, lambda limit: " ".join(limit.key), repr(wanted), request.page_size, request.page_token)
        return pb.ListLimitsResponse(limits=[from_limit(limit) for limit in page], next_page_token=token)

    async def reset_limit(self, request: pb.ResetLimitRequest, _: Call) -> pb.ResetLimitResponse:
        """Forget the limit of a key."""
        key = _checked(to_key(request.key))
        removed, revision = await self._limits.remove(key)
        await self._rules.reached(revision)
        left = self._rules.limit(key, self._offered(key))
        return pb.ResetLimitResponse(removed=removed, limit=from_limit(left))

    def _offered(self, key: LimitKey) -> AgentCapability | None:
        """The one capability that a key names."""
        if key.agent and key.capability:
            with suppress(AgentNotFound, CapabilityNotFound):
                descriptor = self._directory.find(key.agent).agent.descriptor
                if key.capability == PROXIED or is_method(key.capability):
                    return AgentCapability(key.capability)
                return descriptor.capability(key.capability)
        return None


def _checked(key: LimitKey) -> LimitKey:
    if key.principal:
        checked_principal("key.principal", key.principal)
    if key.agent:
        checked_name("key.agent", key.agent)
    if key.capability and not is_method(key.capability):
        checked_name("key.capability", key.capability)
    return key


def _fits(key: LimitKey, wanted: LimitKey) -> bool:
    return all(not name or name == part for name, part in zip(wanted, key, strict=True))

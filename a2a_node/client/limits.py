"""Limits: how fast callers may call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.model.limits import Limit, LimitKey
from a2a_node.wire.agents import seconds
from a2a_node.wire.limits import from_key, to_limit
from a2amesh.v1 import limit_service_pb2 as pb

_SET = Rpc("LimitService/SetLimit", pb.SetLimitRequest, pb.SetLimitResponse)
_GET = Rpc("LimitService/GetLimit", pb.GetLimitRequest, pb.GetLimitResponse)
_LIST = Rpc("LimitService/ListLimits", pb.ListLimitsRequest, pb.ListLimitsResponse)
_RESET = Rpc("LimitService/ResetLimit", pb.ResetLimitRequest, pb.ResetLimitResponse)
ALL = LimitKey()


@dataclass(frozen=True, slots=True)
class Bucket:
    """How one bucket stands; `retry_after` in seconds, 0 where a call of cost 1 can be admitted now."""

    available: float
    leased: float
    retry_after: float
    fallback: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """The limit that applies, and its bucket where the key names exactly one."""

    limit: Limit
    bucket: Bucket | None


class Limits:
    """Limits by key; an empty part of a key stands for all, `LimitKey(agent="echo")` for every caller by itself."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def set(self, rate: float, burst: int, key: LimitKey = ALL) -> Limit:
        """Let the buckets of a key gain `rate` tokens a second, and hold `burst`; InvalidInput, PermissionDenied."""
        request = pb.SetLimitRequest(key=from_key(key), rate=rate, burst=burst)
        return to_limit((await self._connection.ask(_SET, request, terms())).limit)

    async def get(self, key: LimitKey = ALL) -> Standing:
        """What applies to a key, and to oneself where it names no principal."""
        found = await self._connection.ask(_GET, pb.GetLimitRequest(key=from_key(key)), terms())
        bucket = found.bucket
        stands = Bucket(bucket.available, bucket.leased, seconds(bucket.retry_after), bucket.fallback)
        return Standing(to_limit(found.limit), stands if found.HasField("bucket") else None)

    async def list(self, only: LimitKey = ALL) -> AsyncIterator[Limit]:
        """The limits that were set, by key, fetched page by page; only those that name what `only` names."""
        request = pb.ListLimitsRequest(**only._asdict())
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.limits:
                yield to_limit(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def reset(self, key: LimitKey = ALL) -> tuple[bool, Limit]:
        """Forget the limit of a key; whether there was one, and what applies now."""
        answer = await self._connection.ask(_RESET, pb.ResetLimitRequest(key=from_key(key)), terms())
        return answer.removed, to_limit(answer.limit)

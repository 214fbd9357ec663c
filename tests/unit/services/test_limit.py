"""LimitService: messages in, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from a2a_node.limits.limiter import Limiter
from a2a_node.limits.rules import Rules
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.services.limit import LimitService
from a2a_node.testing import MemoryBuckets, MemoryLimits
from a2amesh.v1 import limit_service_pb2 as pb
from tests.unit.pipeline.test_limits import ANN, Directory, nothing

CALL = Call(method="/m", rest=nothing, principal=ANN)
SAY = pb.LimitKey(agent="echo", capability="say")


class House:
    """The service, and the limiter that it asks."""

    def __init__(self, service: LimitService, limiter: Limiter) -> None:
        self.service, self.limiter = service, limiter


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """No limit is set, and no call was made."""
    limiter, store = Limiter(MemoryBuckets(), "n1", lambda: 1), MemoryLimits()
    await limiter.begin()
    async with Rules.following(store, Rate(10, 100)) as rules:
        yield House(LimitService(store, rules, limiter, Directory()), limiter)


async def test_a_limit_goes_round_whole(house: House) -> None:
    """What was asked for is what is answered, listed, applied, and forgotten."""
    service = house.service
    limit = (await service.set_limit(pb.SetLimitRequest(key=SAY, rate=0.5, burst=7), CALL)).limit
    assert (limit.key, limit.rate, limit.burst, limit.source) == (SAY, 0.5, 7, pb.LIMIT_SOURCE_SET)
    assert limit.updated_by == "person:ann"
    assert limit.HasField("update_time")
    assert list((await service.list_limits(pb.ListLimitsRequest(), CALL)).limits) == [limit]
    assert (await service.get_limit(pb.GetLimitRequest(key=SAY), CALL)).limit == limit
    reset = await service.reset_limit(pb.ResetLimitRequest(key=SAY), CALL)
    assert (reset.removed, reset.limit.source, reset.limit.burst) == (True, pb.LIMIT_SOURCE_DEFAULT, 100)
    assert not (await service.reset_limit(pb.ResetLimitRequest(key=SAY), CALL)).removed


async def test_a_bucket_is_told_where_the_key_names_one(house: House) -> None:
    """The caller's own where no principal is named; how much is leased, and how long it stays empty."""
    await house.service.set_limit(pb.SetLimitRequest(key=SAY, rate=0.5, burst=2), CALL)
    rate = Rate(0.5, 2)
    await house.limiter.take(LimitKey("person:ann", "echo", "say"), rate)
    found = (await house.service.get_limit(pb.GetLimitRequest(key=SAY), CALL)).bucket
    assert (round(found.available), round(found.leased)) == (1, 0)
    assert not found.HasField("retry_after")
    await house.limiter.take(LimitKey("person:ann", "echo", "say"), rate)
    found = (await house.service.get_limit(pb.GetLimitRequest(key=SAY), CALL)).bucket
    assert 1 < found.retry_after.ToMilliseconds() / 1000 <= 2
    other = pb.LimitKey(principal="person:bob", agent="echo", capability="say")
    assert round((await house.service.get_limit(pb.GetLimitRequest(key=other), CALL)).bucket.available) == 2
    for key in (pb.LimitKey(agent="echo"), pb.LimitKey(), pb.LimitKey(agent="nobody", capability="say")):
        assert not (await house.service.get_limit(pb.GetLimitRequest(key=key), CALL)).HasField("bucket")


async def test_the_list_pages_and_filters(house: House) -> None:
    """By key, in order; a token of another list is refused."""
    for name in ("c", "a", "b"):
        await house.service.set_limit(pb.SetLimitRequest(key=pb.LimitKey(agent=name), rate=1, burst=1), CALL)
    first = await house.service.list_limits(pb.ListLimitsRequest(page_size=2), CALL)
    assert [limit.key.agent for limit in first.limits] == ["a", "b"]
    rest = await house.service.list_limits(pb.ListLimitsRequest(page_size=2, page_token=first.next_page_token), CALL)
    assert ([limit.key.agent for limit in rest.limits], rest.next_page_token) == (["c"], "")
    only = await house.service.list_limits(pb.ListLimitsRequest(agent="b"), CALL)
    assert [limit.key.agent for limit in only.limits] == ["b"]
    with pytest.raises(PageTokenInvalid):
        await house.service.list_limits(pb.ListLimitsRequest(agent="b", page_token=first.next_page_token), CALL)


WRONG = (
    ("rate", pb.SetLimitRequest(burst=1)),
    ("rate", pb.SetLimitRequest(rate=2e6, burst=1)),
    ("rate", pb.SetLimitRequest(rate=float("nan"), burst=1)),
    ("burst", pb.SetLimitRequest(rate=1)),
    ("key.principal", pb.SetLimitRequest(key=pb.LimitKey(principal="ann"), rate=1, burst=1)),
    ("key.agent", pb.SetLimitRequest(key=pb.LimitKey(agent="No Name"), rate=1, burst=1)),
    ("key.capability", pb.SetLimitRequest(key=pb.LimitKey(capability="No"), rate=1, burst=1)),
)


async def test_what_is_wrong_is_named(house: House) -> None:
    """The first field at fault."""
    for field, request in WRONG:
        with pytest.raises(InvalidInput) as refusal:
            await house.service.set_limit(request, CALL)
        assert refusal.value.variables["field"] == field

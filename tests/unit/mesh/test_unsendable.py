"""Outputs that no client can be sent: the truth of them comes out, be the agent at work then or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from a2a_node.model.call import CallStatus
from a2a_node.model.errors import PayloadTooLarge
from a2a_node.model.payload import Payload
from tests.unit.mesh.stream_house import House, opened, saying


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A node on streams in memory, whose leases nobody renews but the test."""
    async with opened() as house, asyncio.timeout(10):
        yield house


@pytest.mark.parametrize("waits", [False, True])
async def test_an_output_that_cannot_be_sent_is_the_end(house: House, waits: bool) -> None:  # noqa: FBT001
    """Be the agent at work when that is found, or long done: whoever waits is never told that all went well."""

    async def too_large(payload: Payload) -> None:
        raise PayloadTooLarge(len(payload.body), 2)

    house.refuses = too_large
    _, rpc = house.begin(saying("one", then=asyncio.Event() if waits else None))
    with pytest.raises(PayloadTooLarge):
        await rpc


async def test_an_output_that_is_too_large_is_not_kept(house: House) -> None:
    """The call fails by it, for its client and for whoever asks later."""
    house.most = 3
    call, rpc = house.begin(saying("one", "three"))
    with pytest.raises(PayloadTooLarge):
        await rpc
    assert house.got == ["one"]
    with pytest.raises(PayloadTooLarge):
        await house.read(call.id)
    assert house.calls.get(call.id).status is CallStatus.FAILED

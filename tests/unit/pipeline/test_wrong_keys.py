"""Wrong keys: who sends many is slowed down, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.model.errors import TooManyWrongKeys
from a2a_node.pipeline.wrong_keys import Manners, WrongKeys, network

EVE, ANN = "ipv4:10.0.0.7:1000", "ipv4:10.0.0.8:1000"


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


async def paused(wrong: WrongKeys, peer: str) -> bool:
    """Whether somebody has to wait."""
    try:
        async with asyncio.timeout(0):
            await wrong.pause(peer)
    except TimeoutError:
        return True
    return False


async def test_an_address_may_be_wrong_now_and_then() -> None:
    """Whatever port it calls from; another address is not held to account."""
    clock = Time()
    wrong = WrongKeys(Manners(burst=3, rate=1.0), clock)
    for port in range(3):
        assert not await paused(wrong, EVE)
        wrong.count(f"ipv4:10.0.0.7:{port}")
    assert await paused(wrong, EVE)
    assert not await paused(wrong, ANN)
    clock.now = 1.0
    assert not await paused(wrong, EVE)
    wrong.count(EVE)
    assert await paused(wrong, EVE)
    clock.now = 100.0
    assert not await paused(wrong, EVE)


async def test_only_so_many_wait_and_the_rest_is_turned_away() -> None:
    """With word of when to come again; of one address, and of all."""
    manners = Manners(burst=1, rate=0.0, wait=30.0, waiting_each=2, waiting=3)
    wrong = WrongKeys(manners, Time())
    peers = [f"ipv4:10.0.0.{host}:1" for host in range(3)]
    for peer in peers:
        wrong.count(peer)
    waiting = [asyncio.create_task(wrong.pause(peer)) for peer in (peers[0], peers[0], peers[1])]
    await asyncio.sleep(0)
    for peer in (peers[0], peers[2]):
        with pytest.raises(TooManyWrongKeys) as refusal:
            await wrong.pause(peer)
        assert refusal.value.retry_after == 30.0
    assert wrong.turned_away == 2
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert await paused(wrong, peers[2])


async def test_whoever_waited_is_looked_at_then() -> None:
    """After the pause, and without a refusal."""
    wrong = WrongKeys(Manners(burst=1, rate=0.0, wait=0.001), Time())
    wrong.count(EVE)
    await wrong.pause(EVE)


def test_addresses_are_remembered_up_to_a_number() -> None:
    """Those that were wrong last."""
    wrong = WrongKeys(Manners(addresses=10))
    for host in range(1000):
        wrong.count(f"ipv4:10.0.{host // 250}.{host % 250}:1")
    assert len(wrong) == 10


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:40712", "10.0.0.7"),
        ("ipv6:%5B::1%5D:40712", "0:0:0:0"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2"),
        ("ipv6:[2001:db8:1:2:ffff::]:443", "2001:db8:1:2"),
        ("unix:/run/node", "unix"),
        ("", ""),
    ],
)
def test_an_address_has_no_port(peer: str, address: str) -> None:
    """And of IPv6 counts the part that one sender has."""
    assert network(peer) == address

"""The promise: no window holds more than the burst and the rate in its time, whatever befalls the limiters."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from a2a_node.model.limits import Rate
from tests.unit.limits.house import Mesh, excess

RATES = [Rate(10, 100), Rate(50, 20), Rate(1, 10), Rate(500, 1000), Rate(2, 1), Rate(0.5, 3), Rate(100, 10)]
ROUNDING = 1e-3


async def befall(mesh: Mesh, chance: random.Random, *, outages: bool) -> None:
    """One thing that happens."""
    number = chance.randrange(len(mesh.nodes))
    what = chance.random()
    if what < 0.1:
        await mesh.elapse(chance.expovariate(0.3))
    elif what < 0.15:
        await mesh.kill(number)
    elif what < 0.25 and outages:
        await outage(mesh, chance)
    else:
        load = chance.choice([0.3, 1.0, 3.0, 20.0]) * mesh.rate.rate
        for _ in range(chance.randint(1, 60)):
            await mesh.elapse(chance.expovariate(load))
            await mesh.call(chance.randrange(len(mesh.nodes)), chance.choice([1, 1, 1, min(3, mesh.rate.burst)]))


async def outage(mesh: Mesh, chance: random.Random) -> None:
    """Redis goes away, calls go on, and it comes back: as it was, as another run, or empty."""
    mesh.store.lose()
    load = chance.choice([1.0, 5.0]) * mesh.rate.rate
    end = mesh.now + chance.choice([0.05, 0.5, 2.0, 8.0])
    while mesh.now < end:
        await mesh.elapse(min(chance.expovariate(load), 1.0))
        await mesh.call(chance.randrange(len(mesh.nodes)))
        if chance.random() < 0.02:
            await mesh.kill(chance.randrange(len(mesh.nodes)))
    match chance.choice(["stopped", "restarted", "emptied"]):
        case "restarted":
            mesh.store.restart()
        case "emptied":
            mesh.store.restart()
            mesh.store.flush()
    mesh.store.recover()
    await mesh.elapse(0.5)  # where all data and every node that knew of it are gone at once, it is another mesh


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 5), rate=st.sampled_from(RATES), outages=st.booleans())
async def test_no_window_ever_holds_more(seed: int, nodes: int, rate: Rate, outages: bool) -> None:  # noqa: FBT001
    """Kills, idle spells, bursts, clocks that drift by a hundredth, and a store that goes away in every way."""
    chance = random.Random(seed)  # noqa: S311 - it keeps no secret, it tells a story
    mesh = Mesh(rate, [chance.uniform(0.99, 1.01) for _ in range(nodes)])
    await mesh.begin()
    for _ in range(25):
        await befall(mesh, chance, outages=outages)
    assert mesh.worst() <= rate.burst + ROUNDING


async def crowd(mesh: Mesh, chance: random.Random) -> None:
    """Calls at once, twice as many as a bucket holds at most; some are given up."""
    await mesh.sleep(chance.expovariate(5))
    dear = min(3, mesh.rate.burst)
    calls = [
        asyncio.create_task(mesh.call(chance.randrange(len(mesh.nodes)), chance.choice([1, 1, dear])))
        for _ in range(chance.randint(1, 2 * min(mesh.rate.burst, 60)))
    ]
    await mesh.sleep(chance.choice([0.0, 0.001, 0.02, 0.1]))
    for call in calls[:: chance.choice([3, 1000])]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 4), rate=st.sampled_from(RATES), outages=st.booleans())
async def test_no_crowd_gets_more(seed: int, nodes: int, rate: Rate, outages: bool) -> None:  # noqa: FBT001
    """However many wait together, and whatever befalls the limiters meanwhile."""
    chance = random.Random(seed)  # noqa: S311 - as above
    mesh = Mesh(rate, [chance.uniform(0.99, 1.01) for _ in range(nodes)])
    await mesh.begin()
    for _ in range(40):
        if chance.random() < 0.2:
            await befall(mesh, chance, outages=outages)
        else:
            await crowd(mesh, chance)
    mesh.admitted.sort()
    assert mesh.worst() <= rate.burst + ROUNDING


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 3))
async def test_no_change_of_limits_gives_more_than_the_highest_of_them(seed: int, nodes: int) -> None:
    """However often they change, and while nodes do not agree which holds."""
    chance = random.Random(seed)  # noqa: S311 - as above
    limits = [Rate(2, 40), Rate(1, 3), Rate(0.5, 10)]
    mesh = Mesh(limits[0], [1.0] * nodes)
    await mesh.begin()
    for _ in range(40):
        if chance.random() < 0.2:
            await befall(mesh, chance, outages=False)
        for _ in range(chance.randint(1, 30)):
            mesh.rate = chance.choice(limits) if chance.random() < 0.3 else mesh.rate
            await mesh.elapse(chance.choice([0.0, 0.01, 0.3]))
            await mesh.call(chance.randrange(nodes))
    assert excess(mesh.admitted, 2) <= 40 + ROUNDING

"""How long a store may take to answer."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from a2a_node.store.patience import Patience

SHORT = 0.2  # seconds


def stand_still(seconds: float) -> None:
    """As a process does that is not run."""
    until = monotonic() + seconds
    while monotonic() < until:
        pass


async def test_what_does_not_answer_is_given_up() -> None:
    """Once the patience is over, and not before."""
    begun = monotonic()
    with pytest.raises(TimeoutError):
        async with Patience(SHORT):
            await asyncio.Event().wait()
    assert monotonic() - begun >= SHORT


async def test_a_pause_of_the_process_is_not_counted() -> None:
    """The answer came meanwhile, and is read as soon as the process goes on."""
    answer = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT):
            await paused(answer)
    answer = asyncio.get_running_loop().create_future()
    async with Patience(SHORT):
        await paused(answer)


async def paused(answer: asyncio.Future[None]) -> None:
    """Stand still while the answer is under way, which is there three turns of the loop later."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    stand_still(2 * SHORT)
    loop.call_soon(loop.call_soon, loop.call_soon, answer.set_result, None)
    await answer


async def test_it_rests_while_nothing_is_asked() -> None:
    """And begins anew with the next question."""
    async with Patience(SHORT) as patience:
        patience.pause()
        await asyncio.sleep(2 * SHORT)
        patience.begin()
        await asyncio.sleep(SHORT / 4)


async def test_a_process_that_always_stands_still_gives_up_all_the_same() -> None:
    """After a few times as long."""

    async def limp() -> None:
        async with Patience(SHORT / 10):
            while True:
                stand_still(SHORT / 20)
                await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await limp()

"""Numbers of uses: each is one node's, and none is had twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from a2a_node.access.uses import Uses
from a2a_node.model.grants import Grant

GRANT = Grant("g", "person:dev", "person:ann", "agent:echo:invoke", datetime(2026, 1, 1, tzinfo=UTC))


class Store:
    """Hands out numbers, and remembers how many at a time."""

    def __init__(self, *, ended: bool = False) -> None:
        self.next = 0
        self.asked: list[int] = []
        self.ended = ended

    async def claim(self, grant_id: str, count: int) -> int | None:
        """The next numbers."""
        assert grant_id == GRANT.id
        await asyncio.sleep(0)
        self.asked.append(count)
        first, self.next = self.next, self.next + count
        return None if self.ended else first


async def drawn(uses: Uses, limit: int) -> list[int]:
    """Numbers that are used until the condition `uses < limit` is false."""
    numbers = []
    while uses.number(GRANT) < limit:
        if not uses.at_hand(GRANT):
            assert await uses.claim(GRANT, lambda number: number < limit)
            continue
        numbers.append(uses.number(GRANT))
        uses.use((GRANT,))
    return numbers


async def test_every_number_is_used_once_and_none_too_many() -> None:
    """By two nodes at a time, up to the limit and no further."""
    store = Store()
    nodes = [Uses(store, lambda: 0.0), Uses(store, lambda: 0.0)]
    one, two = await asyncio.gather(*(drawn(node, 1000) for node in nodes))
    assert not set(one) & set(two)
    assert set(one) | set(two) <= set(range(1000))
    assert len(one) + len(two) == 1000


async def test_a_busy_node_asks_seldom_and_singly_near_the_end() -> None:
    """Twice as many each time, up to 64; one by one where the condition is about to end."""
    store = Store()
    await drawn(Uses(store, lambda: 0.0), 1000)
    assert store.asked[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert store.asked[-1] == 1
    assert len(store.asked) < 170


async def test_a_quiet_node_takes_none_ahead() -> None:
    """What it does not need others can have."""
    now = iter(range(0, 1000, 10))
    store = Store()
    await drawn(Uses(store, lambda: float(next(now))), 10)
    assert store.asked == [1] * 10


async def test_an_ended_grant_gives_no_numbers() -> None:
    """The store knows before this node hears of it."""
    uses = Uses(Store(ended=True))
    assert not await uses.claim(GRANT, lambda _: True)
    assert not uses.at_hand(GRANT)


async def test_whoever_waits_for_the_same_number_asks_once() -> None:
    """A number that came meanwhile will do."""
    store = Store()
    uses = Uses(store)
    assert all(await asyncio.gather(*(uses.claim(GRANT, lambda _: True) for _ in range(5))))
    assert store.asked == [1]


async def test_numbers_of_grants_that_ended_are_forgotten() -> None:
    """Memory is for those that hold."""
    uses = Uses(Store())
    await uses.claim(GRANT, lambda _: True)
    uses.forget(lambda _: False)
    assert not uses.at_hand(GRANT)

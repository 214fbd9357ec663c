"""No interleaving of calls gets more than their tree's budget, and the store and its twin never differ."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.budget import CALLS
from a2a_node.store import redis
from a2a_node.store.budgets import RedisBudgets
from a2a_node.testing import MemoryBudgets
from tests.contract.budget_moves import LIMITS, ROOT, Move, Tree, drawn

NAMES = [f"c{number}" for number in range(6)]
MOVES = st.lists(
    st.builds(
        Move,
        st.sampled_from(["reserve", "report", "settle"]),
        st.sampled_from(NAMES),
        st.sampled_from([ROOT, *NAMES]),
        st.integers(0, 120),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=40,
)


@given(MOVES)
def test_calls_that_use_what_they_reserved_never_exceed_the_budget(moves: list[Move]) -> None:
    """After every move; and once all have ended, what counts is what they used."""

    async def play() -> None:
        tree = Tree(MemoryBudgets(), ROOT)
        await tree.begin()
        for move in moves:
            await tree.make(move)
            used = await tree.used()
            assert 0 <= used["tokens"] <= LIMITS["tokens"]
            assert tree.admitted <= used[CALLS] <= LIMITS[CALLS]
        for call in list(tree.alive):
            await tree.make(Move("settle", call))
        assert (await tree.used())[CALLS] == tree.admitted

    asyncio.run(play())


@given(MOVES)
def test_whatever_calls_report_nothing_is_admitted_beyond_the_budget(moves: list[Move]) -> None:
    """A report beyond what was reserved counts, and then nobody is admitted."""

    async def play() -> None:
        tree = Tree(MemoryBudgets(), ROOT, honest=False)
        await tree.begin()
        for move in moves:
            before, admitted = await tree.used(), tree.admitted
            await tree.make(move)
            after = await tree.used()
            if move.kind == "reserve" and tree.admitted > admitted:
                assert all(after[unit] <= LIMITS[unit] for unit in LIMITS)
                assert after[CALLS] >= before[CALLS]

    asyncio.run(play())


async def test_two_hundred_random_interleavings_on_redis(redis_url: str) -> None:
    """Each answers as the twin does, move by move, while all the others go on beside it."""

    async def play(seed: int, store: RedisBudgets) -> None:
        moves = drawn(Random(seed))  # noqa: S311 - it keeps no secret, it repeats a schedule
        real, twin = (
            Tree(store, f"t{seed}", honest=seed % 2 == 0),
            Tree(MemoryBudgets(), f"t{seed}", honest=seed % 2 == 0),
        )
        for tree in (real, twin):
            await tree.begin()
            for move in moves:
                await tree.make(move)
            tree.answers.append(await tree.used())
        assert real.answers == twin.answers, seed
        used = await real.used()
        assert not real.honest or all(used[unit] <= LIMITS[unit] for unit in LIMITS), seed

    async with redis.connected(redis_url, patience=30.0) as server:
        await asyncio.gather(*(play(seed, RedisBudgets(server)) for seed in range(200)))


async def test_parallel_moves_on_one_tree_never_exceed_its_budget(redis_url: str) -> None:
    """Twenty at a time, from two connections, as from two nodes."""

    async def watch(tree: Tree, over: asyncio.Event) -> int:
        looks = 0
        while not over.is_set():
            used = await tree.used()
            assert all(used[unit] <= LIMITS[unit] for unit in LIMITS)
            looks += 1
        return looks

    async with redis.connected(redis_url, patience=30.0) as one, redis.connected(redis_url, patience=30.0) as two:
        tree, over = Tree(RedisBudgets(one), ROOT), asyncio.Event()
        await tree.begin()
        watching = asyncio.create_task(watch(Tree(RedisBudgets(two), ROOT), over))
        for seed in range(20):
            others = Tree(RedisBudgets(two if seed % 2 else one), ROOT, thrifty=True, alive=tree.alive)
            moves = drawn(Random(seed), 30)  # noqa: S311 - as above
            # a report that a node sends while it settles the same call could come late, and counts even then
            await asyncio.gather(*(others.make(move) for move in moves if move.kind != "report"))
        over.set()
        assert await watching > 0

"""What every store of outcomes promises."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from a2a_node.model.errors import (
    AgentRefused,
    DeadlineExceeded,
    IdempotencyKeyReused,
    MeshError,
    NoInstance,
    StoreUnavailable,
)
from a2a_node.model.outcome_ports import Outcomes
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.state import Outcome
from tests.contract.states import House

LONG = 10.0  # seconds; a busy machine is no reason to fail
DONE = Outcome(Payload({"answer": 42}))


@pytest.fixture
def outcomes(state_house: House) -> Outcomes:
    """A store that keeps no outcome yet."""
    return state_house.outcomes


async def settled(outcomes: Outcomes, outcome: Outcome = DONE, key: str = "k", ttl: float = 60.0) -> None:
    """Do the work of a key."""
    async with outcomes.claim(key, "d", 0) as claim:
        assert claim.outcome is None
        await claim.settle(outcome, ttl)


async def known(outcomes: Outcomes, key: str = "k", wait: float = LONG) -> Outcome | None:
    """What a claim finds; None when the work would be the caller's, who gives it back."""
    async with outcomes.claim(key, "d", wait) as claim:
        return claim.outcome


async def a_while(outcomes: Outcomes) -> None:
    """Ask the store often enough for everybody else to have asked and to wait."""
    for _ in range(20):
        await known(outcomes, "another", wait=0)


@pytest.mark.parametrize(
    "output", [Payload({"a": [1, None]}), Payload("grüezi", TEXT), Payload(b"\x00\xff", "image/png"), None]
)
async def test_an_outcome_comes_back_as_it_was(outcomes: Outcomes, output: Payload | None) -> None:
    """Whoever asks again gets it at once."""
    await settled(outcomes, Outcome(output))
    assert await known(outcomes, wait=0) == Outcome(output)


async def test_an_error_is_an_outcome(outcomes: Outcomes) -> None:
    """It comes back as its own class, with code, reason, message and variables."""
    refusal = AgentRefused("no tea today", code="RESOURCE_EXHAUSTED", reason="NO_TEA", cups=0)
    await settled(outcomes, Outcome(error=refusal), "refused")
    await settled(outcomes, Outcome(error=NoInstance("echo")), "lost")
    for key, error in (("refused", refusal), ("lost", NoInstance("echo"))):
        outcome = await known(outcomes, key)
        assert outcome is not None
        assert outcome.output is None
        assert said(outcome.error) == said(error)
    lost = await known(outcomes, "lost")
    assert lost is not None
    assert isinstance(lost.error, NoInstance)


def said(error: MeshError | None) -> tuple[object, ...]:
    """All that an error says."""
    assert error is not None
    return error.code, error.reason, error.message, dict(error.variables)


async def test_of_many_who_ask_at_once_one_works_and_all_get_the_outcome(outcomes: Outcomes) -> None:
    """The others wait, and are woken."""
    works = 0

    async def ask() -> Outcome:
        nonlocal works
        async with outcomes.claim("k", "d", LONG) as claim:
            if claim.outcome is not None:
                return claim.outcome
            works += 1
            await a_while(outcomes)
            await claim.settle(DONE, 60.0)
            return DONE

    assert await asyncio.gather(*(ask() for _ in range(20))) == [DONE] * 20
    assert works == 1


async def test_keys_do_not_wait_for_each_other(outcomes: Outcomes) -> None:
    """Work under one key leaves the others alone, whatever characters they have."""
    async with outcomes.claim("a}{", "d", 0), outcomes.claim("a}", "d", 0) as other:
        assert other.outcome is None


async def test_an_outcome_is_forgotten_after_its_ttl(state_house: House, outcomes: Outcomes) -> None:
    """Then the work is to be done again."""
    await settled(outcomes, ttl=60.0)
    await state_house.elapse(59)
    assert await known(outcomes) == DONE
    await state_house.elapse(1)
    assert await known(outcomes) is None


async def test_another_request_under_the_same_key_is_refused(outcomes: Outcomes) -> None:
    """Both while the first is worked on and when its outcome is kept."""
    async with outcomes.claim("k", "d", 0) as claim:
        with pytest.raises(IdempotencyKeyReused):
            async with outcomes.claim("k", "other", LONG):
                pass
        await claim.settle(DONE, 60.0)
    with pytest.raises(IdempotencyKeyReused, match="'k'"):
        async with outcomes.claim("k", "other", 0):
            pass
    assert await known(outcomes) == DONE


async def test_whoever_waits_too_short_hears_so(outcomes: Outcomes) -> None:
    """The work goes on."""
    async with outcomes.claim("k", "d", 0) as claim:
        for wait in (0.0, 0.02):
            with pytest.raises(DeadlineExceeded):
                async with outcomes.claim("k", "d", wait):
                    pass
        await claim.settle(DONE, 60.0)
    assert await known(outcomes) == DONE


async def test_work_that_fails_is_given_to_another(outcomes: Outcomes) -> None:
    """One who waits wins the right when the first one leaves without an outcome."""
    begun = asyncio.Event()

    async def fail() -> None:
        async with outcomes.claim("k", "d", 0):
            begun.set()
            await a_while(outcomes)
            raise ZeroDivisionError

    failing = asyncio.create_task(fail())
    await begun.wait()
    async with asyncio.timeout(LONG):
        assert await known(outcomes) is None
    with pytest.raises(ZeroDivisionError):
        await failing


async def test_cancelled_work_is_given_to_another(outcomes: Outcomes) -> None:
    """A worker that is cancelled leaves nothing behind."""
    begun = asyncio.Event()

    async def work() -> None:
        async with outcomes.claim("k", "d", 0):
            begun.set()
            await asyncio.Event().wait()

    worker = asyncio.create_task(work())
    await begun.wait()
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    assert await known(outcomes, wait=0) is None


async def test_one_who_waits_may_give_up(outcomes: Outcomes) -> None:
    """A cancelled wait does not disturb the work, nor who waits beside it."""
    async with outcomes.claim("k", "d", 0) as claim:
        one, other = (asyncio.create_task(known(outcomes)) for _ in range(2))
        await a_while(outcomes)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        await claim.settle(DONE, 60.0)
    assert await other == DONE


async def test_a_dead_workers_right_ends_with_its_lease(state_house: House, outcomes: Outcomes) -> None:
    """Another wins then, and what the dead one might still say is not kept."""
    async with AsyncExitStack() as dead:
        claim = await dead.enter_async_context(outcomes.claim("k", "d", 0))
        await state_house.elapse(29)
        with pytest.raises(DeadlineExceeded):
            await known(outcomes, wait=0)
        await state_house.elapse(1)
        async with outcomes.claim("k", "d", 0) as second:
            assert second.outcome is None
            with pytest.raises(StoreUnavailable):  # else its caller would have an outcome that nobody else gets
                await claim.settle(Outcome(Payload("too late", TEXT)), 60.0)
            with pytest.raises(DeadlineExceeded):
                await known(outcomes, wait=0)
            await second.settle(DONE, 60.0)
    assert await known(outcomes) == DONE


async def test_without_redis_nobody_wins(state_house: House, outcomes: Outcomes) -> None:
    """Asking and settling say that it is away; what was kept is there afterwards."""
    await settled(outcomes)
    async with AsyncExitStack() as leaving:
        claim = await leaving.enter_async_context(outcomes.claim("other", "d", 0))
        await state_house.lose()
        with pytest.raises(StoreUnavailable):
            await claim.settle(DONE, 60.0)
        with pytest.raises(StoreUnavailable):
            await known(outcomes)
    await state_house.recover()
    assert await known(outcomes) == DONE

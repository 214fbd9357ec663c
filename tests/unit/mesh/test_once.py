"""Work that is done once: under an idempotency key, or for equal input of a cached capability."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from time import monotonic

import pytest

from a2a_node.mesh.once import Lookups, cached, idempotent
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call, Once
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import AgentLost, AgentRefused, IdempotencyKeyReused, MeshError, StoreUnavailable
from a2a_node.model.outcome_ports import Claim, Outcomes
from a2a_node.model.payload import Payload
from a2a_node.testing import MemoryOutcomes

Body = Mapping[str, object] | str | bytes


async def done(_: Call) -> None:
    """Nothing more to do."""


class Worker:
    """An agent that counts its work and may fail."""

    def __init__(self, failure: MeshError | None = None) -> None:
        self.worked = 0
        self.failure = failure

    async def work(self, call: Call) -> None:
        """Answer with the number of the work."""
        self.worked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        await anext(call.requests)
        await call.reply(Payload({"work": self.worked}))


async def ask(
    layer: Callable[[Call, Callable[[Call], Awaitable[None]]], Awaitable[None]],
    worker: Worker,
    body: Body = b"{}",
    **fields: str,
) -> Payload:
    """One call through the layer; its output."""
    said: list[Payload] = []

    async def take(payload: Payload) -> None:
        said.append(payload)

    call = Call(method="/m", rest=done, unary=True, requests=Once(Payload(body)), reply=take)
    call.agent, call.capability = "oracle", "ask"
    call.idempotency_key, call.version = fields.get("key", ""), fields.get("version", "1")
    call.offered = AgentCapability("ask", cache_ttl=60.0)
    call.envelope = Envelope(monotonic() + 10, 10)
    await layer(call, worker.work)
    assert call.replayed == (said[0].body != {"work": worker.worked} or call.replayed)
    return said[0]


class Away:
    """Outcomes whose store is away."""

    def claim(self, *_: object, **__: object) -> AbstractAsyncContextManager[Claim]:
        """StoreUnavailable."""
        raise StoreUnavailable("redis")


@pytest.fixture
def outcomes() -> Outcomes:
    """Outcomes in memory."""
    return MemoryOutcomes()


async def test_a_call_without_a_key_is_always_new(outcomes: Outcomes) -> None:
    """Twice asked, twice worked."""
    worker = Worker()
    for _ in range(2):
        await ask(idempotent(outcomes), worker)
    assert worker.worked == 2


async def test_the_first_outcome_answers_all_calls_under_its_key(outcomes: Outcomes) -> None:
    """Later ones and simultaneous ones."""
    worker = Worker()
    answers = await asyncio.gather(*(ask(idempotent(outcomes), worker, key="k") for _ in range(5)))
    assert {str(answer.body) for answer in answers} == {"{'work': 1}"}


async def test_another_request_under_the_key_is_refused_by_the_callers_own_word(outcomes: Outcomes) -> None:
    """The error names the key as the caller chose it."""
    worker = Worker()
    await ask(idempotent(outcomes), worker, b"{}", key="k")
    with pytest.raises(IdempotencyKeyReused, match="'k'"):
        await ask(idempotent(outcomes), worker, b'{"other": 1}', key="k")


async def test_the_order_of_an_objects_keys_makes_no_other_request(outcomes: Outcomes) -> None:
    """Objects are equal by their content."""
    worker = Worker()
    await ask(idempotent(outcomes), worker, {"a": 1, "b": 2}, key="k")
    await ask(idempotent(outcomes), worker, {"b": 2, "a": 1}, key="k")
    assert worker.worked == 1


async def test_a_final_refusal_is_kept_and_a_passing_failure_is_not(outcomes: Outcomes) -> None:
    """Another try may end better when the failure says so."""
    final, passing = Worker(AgentRefused("no")), Worker(AgentLost("oracle", "i1"))
    for _ in range(2):
        with pytest.raises(AgentRefused):
            await ask(idempotent(outcomes), final, key="final")
        with pytest.raises(AgentLost):
            await ask(idempotent(outcomes), passing, key="passing")
    assert (final.worked, passing.worked) == (1, 2)


async def test_without_the_store_a_key_is_refused_and_a_cached_call_just_works() -> None:
    """A promise that cannot be kept is not made; a cache is a convenience."""
    worker = Worker()
    with pytest.raises(StoreUnavailable):
        await ask(idempotent(Away()), worker, key="k")
    assert worker.worked == 0
    await ask(cached(Away(), Lookups()), worker)
    assert worker.worked == 1


async def test_equal_input_of_a_cached_capability_is_worked_once(outcomes: Outcomes) -> None:
    """Until the agent's version changes; failures are not kept."""
    worker = Worker()
    for _ in range(3):
        await ask(cached(outcomes, Lookups()), worker)
    await ask(cached(outcomes, Lookups()), worker, b'{"other": 1}')
    await ask(cached(outcomes, Lookups()), worker, version="2")
    assert worker.worked == 3
    failing = Worker(AgentRefused("no"))
    for _ in range(2):
        with pytest.raises(AgentRefused):
            await ask(cached(outcomes, Lookups()), failing, b'{"failing": 1}')
    assert failing.worked == 2


async def test_a_store_error_of_the_agents_own_is_not_mistaken_for_the_caches(outcomes: Outcomes) -> None:
    """It is the agent's answer, and the agent worked once."""
    worker = Worker(StoreUnavailable("its own"))
    with pytest.raises(StoreUnavailable, match="its own"):
        await ask(cached(outcomes, Lookups()), worker)
    assert worker.worked == 1

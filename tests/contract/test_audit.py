"""What every store of the audit promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from a2a_node.audit.verifying import verified
from a2a_node.model.audit import (
    FIRST_HASH,
    AuditDecision,
    AuditEvent,
    AuditFilter,
    AuditOutcome,
    Fact,
    Span,
    hashed,
)
from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.errors import NodeNotFound, StoreUnavailable
from a2a_node.model.names import fresh_uuid
from tests.contract.audits import AuditHouse, auditing

THEN = datetime(2026, 11, 26, 12, tzinfo=UTC)
ANN = Fact(
    "session:create",
    target="session:s-1",
    user_id="person:ann",
    agent_id="crowd",
    ip_address="127.0.0.1",
    user_agent="grpc-python/1.85",
    trace_id="a" * 32,
    call_id="c-1",
    call_path=("crowd", "greeter"),
    metadata={"seconds": 3, "said": "Grüße, \U0001f600"},
    timestamp=THEN,
)
BOB = Fact(
    "access:grant",
    AuditDecision.REFUSED,
    AuditOutcome.REFUSED,
    "PERMISSION_DENIED",
    user_id="person:bob",
    timestamp=THEN,
)


def of(fact: Fact, seconds: float = 0.0, **more: object) -> Fact:
    """A fact of its own, like another one, so many seconds later."""
    fresh = replace(fact, id=fresh_uuid(), timestamp=fact.timestamp + timedelta(seconds=seconds))
    return replace(fresh, **more) if more else fresh  # type: ignore[arg-type]


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[AuditHouse]:
    """Nothing has happened yet."""
    async with auditing(registry_url) as opened:
        yield opened


@pytest.fixture
def log(house: AuditHouse) -> AuditLog:
    """The store itself."""
    return house.log


async def listed(log: AuditLog, wanted: AuditFilter | None = None, **span: datetime) -> list[str]:
    """The ids of the events that fit, the newest first."""
    found = await log.list(wanted or AuditFilter(), Span(**span), None, 100)
    return [event.fact.id for event in found]


async def test_facts_are_kept_as_they_were_told_in_a_chain(log: AuditLog) -> None:
    """Each with the hash of the one before, from 64 zeros on, and a hash that anybody can compute again."""
    await log.append("n1", [of(ANN), of(BOB)])
    await log.append("n1", [of(ANN, 0.000001)])
    events = await log.chain("n1", 0, 10)
    assert [event.sequence for event in events] == [1, 2, 3]
    assert events[0].previous_hash == FIRST_HASH
    assert all(after.previous_hash == before.hash for before, after in pairwise(events))
    assert all(event.hash == hashed(event.fact, "n1", event.sequence, event.previous_hash) for event in events)
    assert replace(events[0].fact, id=ANN.id) == ANN
    assert replace(events[1].fact, id=BOB.id) == BOB
    (head,) = await log.heads()
    assert (head.node_id, head.sequence, head.hash) == ("n1", 3, events[2].hash)


async def test_a_batch_that_comes_again_is_kept_once(log: AuditLog) -> None:
    """Its answer may have been lost, or some of it may be new."""
    first, second, third = of(ANN), of(ANN), of(ANN)
    assert len(await log.append("n1", [first, second])) == 2
    assert [event.fact for event in await log.append("n1", [first, second, third])] == [third]
    assert await log.append("n1", [third]) in ([], ())
    assert [event.fact.id for event in await log.chain("n1", 0, 10)] == [first.id, second.id, third.id]


async def test_chains_of_nodes_are_apart_and_positions_are_not(log: AuditLog) -> None:
    """Writers of many chains, and of one, at once: no hole and nothing doubled, in any of them."""

    async def write(node: str) -> None:
        for _ in range(5):
            await log.append(node, [of(ANN), of(ANN)])

    await asyncio.gather(*(write(node) for node in ("n1", "n2", "n1")))
    everything = await log.after(0, 100)
    assert [event.position for event in everything] == [*range(1, 31)]
    assert {event.missing for event in everything} == {0}
    for node, many in (("n1", 20), ("n2", 10)):
        chain = await log.chain(node, 0, 100)
        assert [event.sequence for event in chain] == [*range(1, many + 1)]
        assert all(after.previous_hash == before.hash for before, after in pairwise(chain))
    assert await log.position() == 30
    assert [head.node_id for head in await log.heads()] == ["n1", "n2"]
    assert [head.sequence for head in await log.heads("n2")] == [10]
    assert [event.position for event in await log.after(28, 1)] == [29]


async def test_events_are_listed_by_what_is_asked(log: AuditLog) -> None:
    """The newest first, page by page."""
    ann, bob, late = of(ANN), of(BOB, 10), of(ANN, 20, server_id="files", action="tool:start-server")
    await log.append("n1", [ann, bob])
    await log.append("n2", [late])
    for wanted, found in (
        (AuditFilter(), [late, bob, ann]),
        (AuditFilter(action="access:grant"), [bob]),
        (AuditFilter(action="access"), []),
        (AuditFilter(action="access:*"), [bob]),
        (AuditFilter(action="*"), [late, bob, ann]),
        (AuditFilter(action="%:*"), []),
        (AuditFilter(user_id="person:ann"), [late, ann]),
        (AuditFilter(agent_id="crowd", node_id="n1"), [ann]),
        (AuditFilter(server_id="files"), [late]),
        (AuditFilter(decision=AuditDecision.REFUSED), [bob]),
        (AuditFilter(outcome=AuditOutcome.SUCCEEDED), [late, ann]),
        (AuditFilter(trace_id="a" * 32, call_id="c-1"), [late, ann]),
        (AuditFilter(call_id="c-2"), []),
    ):
        assert await listed(log, wanted) == [fact.id for fact in found]
    assert await listed(log, start=THEN + timedelta(seconds=10)) == [late.id, bob.id]
    assert await listed(log, end=THEN + timedelta(seconds=10)) == [ann.id]
    page = await log.list(AuditFilter(), Span(), None, 2)
    assert [event.fact.id for event in page] == [late.id, bob.id]
    rest: list[AuditEvent] = [*await log.list(AuditFilter(), Span(), page[-1].position, 2)]
    assert [event.fact.id for event in rest] == [ann.id]


async def test_what_is_no_longer_kept_leaves_a_hole_that_is_told(house: AuditHouse, log: AuditLog) -> None:
    """Before the next event of the same chain."""
    await log.append("n1", [of(ANN) for _ in range(4)])
    await log.append("n2", [of(ANN)])
    await house.remove("n1", 1)
    await house.remove("n1", 3)
    assert [(event.node_id, event.sequence, event.missing) for event in await log.after(0, 10)] == [
        ("n1", 2, 1),
        ("n1", 4, 1),
        ("n2", 1, 0),
    ]


async def test_a_chain_can_be_entered_at_a_time(log: AuditLog) -> None:
    """After the last event before it."""
    await log.append("n1", [of(ANN), of(ANN, 10), of(ANN, 20)])
    anchor = await log.anchor("n1", THEN + timedelta(seconds=15))
    assert anchor is not None
    assert anchor.sequence == 2
    assert await log.anchor("n1", THEN) is None
    assert await log.anchor("n2", THEN + timedelta(days=1)) is None


async def test_positions_are_heard_as_they_are_committed(log: AuditLog) -> None:
    """By whoever listens."""
    async with log.positions() as positions, asyncio.timeout(20):
        await log.append("n1", [of(ANN), of(ANN)])
        assert await anext(positions) == 2


async def test_a_store_that_is_away_says_so(house: AuditHouse, log: AuditLog) -> None:
    """Whatever it is asked."""
    await house.lose()
    for asked in (
        log.append("n1", [of(ANN)]),
        log.list(AuditFilter(), Span(), None, 1),
        log.after(0, 1),
        log.position(),
        log.heads(),
        log.chain("n1", 0, 1),
        log.anchor("n1", THEN),
    ):
        with pytest.raises(StoreUnavailable):
            await asked


async def broken(log: AuditLog, node_id: str = "", **span: datetime) -> list[tuple[str, int, str]]:
    """The first break of each chain: where, and its explanation up to the colon."""
    verdict = await verified(log, node_id, Span(**span))
    return [(found.node_id, found.sequence, found.explanation.partition(":")[0]) for found in verdict.breaks]


@pytest.fixture
async def two_chains(log: AuditLog) -> None:
    """Ten events of one node, a second apart, and three of another; the page of verifying ends among them."""
    for number in range(10):
        await log.append("n1", [of(ANN, number)])
    await log.append("n2", [of(BOB), of(BOB), of(BOB)])


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains are read four events at a time."""
    monkeypatch.setattr("a2a_node.audit.verifying.PAGE", 4)


@pytest.mark.usefixtures("two_chains")
async def test_chains_that_nobody_touched_are_whole(log: AuditLog) -> None:
    """All of them, one of them, a part of them; an unknown one is none."""
    verdict = await verified(log)
    assert (verdict.breaks, verdict.chains, verdict.events) == ([], 2, 13)
    assert (await verified(log, "n2")).events == 3
    later = await verified(log, "n1", Span(start=THEN + timedelta(seconds=5)))
    assert (later.breaks, later.events) == ([], 6)
    assert (await verified(log, "n1", Span(end=THEN + timedelta(seconds=5)))).events == 5
    with pytest.raises(NodeNotFound):
        await verified(log, "n3")


@pytest.mark.usefixtures("two_chains")
@pytest.mark.parametrize("sequence", [1, 4, 5, 9])
async def test_an_event_that_was_changed_is_found(house: AuditHouse, log: AuditLog, sequence: int) -> None:
    """Wherever it is; what was verified before it, or is asked about after it, is whole."""
    await house.change("n1", sequence, "person:eve")
    assert await broken(log) == [("n1", sequence, "it was changed after it was written")]
    assert await broken(log, "n2") == []
    assert await broken(log, end=THEN + timedelta(seconds=sequence - 1)) == []
    assert await broken(log, start=THEN + timedelta(seconds=sequence + 1)) == []


@pytest.mark.usefixtures("two_chains")
@pytest.mark.parametrize("sequence", [1, 4, 5, 10])
async def test_an_event_that_was_removed_is_found(house: AuditHouse, log: AuditLog, sequence: int) -> None:
    """The first, the last, and any between them."""
    await house.remove("n1", sequence)
    assert await broken(log) == [("n1", sequence, "it was removed")]


@pytest.mark.usefixtures("two_chains")
async def test_an_event_that_was_inserted_is_found(house: AuditHouse, log: AuditLog) -> None:
    """After the end, or in the place of one that was removed."""
    await house.repeat("n2", 2, 4)
    await house.remove("n1", 6)
    await house.repeat("n1", 3, 6)
    assert await broken(log) == [
        ("n1", 6, "it does not follow the event before"),
        ("n2", 4, "it does not follow the event before"),
    ]


@pytest.mark.usefixtures("two_chains")
async def test_a_chain_that_grows_while_it_is_verified_is_whole(log: AuditLog) -> None:
    """What is written meanwhile belongs to it."""

    async def grow() -> None:
        for _ in range(20):
            await log.append("n1", [of(ANN), of(ANN)])

    growing = asyncio.create_task(grow())
    while not growing.done():
        assert await broken(log) == []
        await asyncio.sleep(0)
    await growing
    assert await broken(log) == []

"""The recorder: facts are written in batches, in order and once, and wait in bounded memory until then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from a2a_node.audit.recording import Recorder, Rules
from a2a_node.model.audit import AuditEvent, Fact
from a2a_node.model.errors import InvalidInput
from a2a_node.testing import MemoryAuditLog
from tests.unit.audit.samples import fact, until

QUICK = Rules(capacity=3, gather=0.0, first_wait=0.0, longest_wait=0.0, parting=0.05)


def targets(log: MemoryAuditLog) -> list[str]:
    """What was written, in order."""
    return [event.fact.target for event in log.events]


async def test_what_was_put_is_written_in_order() -> None:
    """In one chain, a batch after the other."""
    log = MemoryAuditLog()
    async with Recorder.recording(log, "n1", Rules(gather=0.0, batch=2)) as recorder:
        for number in range(5):
            recorder.put(fact(str(number)))
        assert recorder.queued() == 5
        await until(lambda: not recorder.queued())
        assert (recorder.written, recorder.dropped, recorder.behind()) == (5, 0, 0.0)
    assert targets(log) == ["0", "1", "2", "3", "4"]
    assert [event.sequence for event in log.events] == [1, 2, 3, 4, 5]


async def test_what_waits_at_the_end_is_written_before_it() -> None:
    """However long a batch would have been gathered."""
    log = MemoryAuditLog()
    async with Recorder.recording(log, "n1") as recorder:
        recorder.put(fact())
        assert log.events == []
    assert len(log.events) == 1


async def test_facts_wait_for_a_store_that_is_away() -> None:
    """And are written when it is back; what it has no place for meanwhile is dropped and counted."""
    log = MemoryAuditLog()
    async with Recorder.recording(log, "n1", QUICK) as recorder:
        log.lose()
        for number in range(5):
            recorder.put(fact(str(number)))
        assert (recorder.queued(), recorder.dropped) == (3, 2)
        await asyncio.sleep(0)
        assert recorder.behind() > 0
        log.recover()
        await until(lambda: not recorder.queued())
    assert targets(log) == ["0", "1", "2"]


async def test_a_change_waits_for_its_place() -> None:
    """Until something was written; what it held is there for it, whatever comes meanwhile."""
    log = MemoryAuditLog()
    async with Recorder.recording(log, "n1", QUICK) as recorder:
        log.lose()
        assert await recorder.hold()
        for number in range(3):
            recorder.put(fact(str(number)))
        waiting = asyncio.create_task(recorder.hold())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        recorder.put(fact("held"), held=True)
        log.recover()
        assert await waiting
        recorder.release()
    assert targets(log) == ["0", "1", "held"]
    assert recorder.dropped == 1


async def test_a_change_need_not_wait_by_a_setting() -> None:
    """It goes on, and what cannot be recorded is counted."""
    log = MemoryAuditLog()
    rules = Rules(capacity=1, waits=False, gather=0.0, first_wait=0.0, longest_wait=0.0)
    async with Recorder.recording(log, "n1", rules) as recorder:
        recorder.put(fact("first"))
        assert not await recorder.hold()
        recorder.put(fact("second"), held=False)
        assert recorder.dropped == 1
    assert targets(log) == ["first"]


async def test_what_cannot_be_written_before_the_end_is_counted() -> None:
    """The node ends all the same."""
    log = MemoryAuditLog()
    async with Recorder.recording(log, "n1", QUICK) as recorder:
        log.lose()
        recorder.put(fact())
    assert recorder.dropped == 1


class Lossy(MemoryAuditLog):
    """An audit whose first answer is lost, though it wrote the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    async def append(self, node_id: str, facts: Sequence[Fact]) -> Sequence[AuditEvent]:
        """Keep the facts, then fail."""
        written = await super().append(node_id, facts)
        if not self.lost:
            self.lost = 1
            raise RuntimeError("nobody foresaw this")
        return written


async def test_a_batch_whose_answer_was_lost_is_kept_once() -> None:
    """It comes again, whatever the failure was."""
    log = Lossy()
    async with Recorder.recording(log, "n1", Rules(gather=0.0, first_wait=0.0)) as recorder:
        recorder.put(fact("one"))
        await until(lambda: not recorder.queued())
    assert targets(log) == ["one"]


class Picky(MemoryAuditLog):
    """An audit that cannot keep one of the facts."""

    async def append(self, node_id: str, facts: Sequence[Fact]) -> Sequence[AuditEvent]:
        """Refuse a batch that has the fact."""
        if any(one.target == "bad" for one in facts):
            raise InvalidInput("request", "holds a NUL character")
        return await super().append(node_id, facts)


async def test_a_fact_that_cannot_be_kept_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The others of its batch are written, and it is counted."""
    log = Picky()
    async with Recorder.recording(log, "n1", Rules(gather=0.0)) as recorder:
        for target in ("one", "bad", "two"):
            recorder.put(fact(target))
        await until(lambda: not recorder.queued())
        assert (recorder.written, recorder.dropped) == (2, 1)
    assert targets(log) == ["one", "two"]
    assert "bad" not in caplog.text

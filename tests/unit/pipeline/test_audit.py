"""What the layers tell the audit: changes and refusals, once each, and nothing that is a payload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from a2a_node.audit.recording import Recorder, Rules
from a2a_node.audit.refusals import Refusals
from a2a_node.audit.tap import Tap
from a2a_node.model.audit import AuditDecision, AuditOutcome, Fact
from a2a_node.model.call import CURRENT, Call, Proceed, folded
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import (
    AgentNotFound,
    CallCancelled,
    DeadlineExceeded,
    MeshError,
    PermissionDenied,
    SessionNotFound,
    Unauthenticated,
)
from a2a_node.model.principal import Principal
from a2a_node.model.tap import EndedCall, TapFilter
from a2a_node.model.trace import Trace
from a2a_node.pipeline.account import Account
from a2a_node.pipeline.audit import Audit
from a2a_node.pipeline.endings import Ending
from a2a_node.testing import MemoryAuditLog

INVOKE = "/a2amesh.v1.AgentService/Invoke"
CREATE = "/a2amesh.v1.SessionService/CreateSession"
ATTACH = "/a2amesh.v1.AgentHostService/Attach"
CHECK = "/a2amesh.v1.AccessService/CheckPermission"
ANN, CROWD = Principal("person", "ann"), Principal("agent", "crowd")


class House:
    """Both halves around a leaf, with a layer between them that may refuse."""

    def __init__(self, recorder: Recorder, *, calls: bool = False) -> None:
        self.put: list[Fact] = []
        self.refusals = Refusals(self.put.append)
        self.recorder = recorder
        self.tap = Tap()
        self.lines: list[Ending] = []
        audit = Audit(recorder, self.refusals, calls=calls)
        account = Account(audit.refused, self.tap, self.lines.append)
        self.refusal: MeshError | None = None
        self.work: Proceed = done
        self._run = folded([account.layer, self._refuse, audit.changes], self._leaf)

    async def go(self, call: Call) -> None:
        """Take a call through, whatever becomes of it."""
        try:
            await self._run(call)
        except Exception as failure:  # noqa: BLE001 - the caller would hear of it
            self.failure = failure

    async def start(self, call: Call) -> None:
        """Take a call through, and be cancelled like it."""
        await self._run(call)

    def recorded(self) -> list[Fact]:
        """What waits to be written."""
        return [*self.recorder._facts]  # noqa: SLF001 - the one place where they wait

    async def _refuse(self, call: Call, proceed: Proceed) -> None:
        if self.refusal is not None:
            raise self.refusal
        await proceed(call)

    async def _leaf(self, call: Call) -> None:
        await self.work(call)


async def done(_: Call) -> None:
    """Nothing more to do."""


def failing(failure: Exception) -> Proceed:
    """Work that fails."""

    async def work(_: Call) -> None:
        raise failure

    return work


def call(method: str = CREATE, **more: object) -> Call:
    """A call of Ann's."""
    made = Call(method=method, rest=done, peer_of=lambda: "ipv4:10.0.0.7:4711", principal=ANN)
    made.envelope = Envelope(60.0, 60.0)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house whose recorder writes nothing before its end."""
    async with Recorder.recording(MemoryAuditLog(), "n1", Rules(gather=3600.0, parting=0.0)) as recorder:
        yield House(recorder)


async def test_a_change_is_one_fact_with_all_that_is_known_of_it(house: House) -> None:
    """The root's principal, the agent that acted, the way, the trace, where it came from."""
    envelope = Envelope(60.0, 60.0, ("crowd",), parent="c-1", root="c-0", authority=(ANN, CROWD))
    made = call(envelope=envelope, principal=CROWD, target="session:s-1", trace=Trace(0xAB, 1, sampled=True))
    made.metadata = {"user-agent": "curl/8\x1b[31m", "authorization": "Bearer secret"}
    await house.go(made)
    (fact,) = house.recorded()
    assert (fact.action, fact.target, fact.user_id, fact.agent_id) == (
        "session:create",
        "session:s-1",
        "person:ann",
        "crowd",
    )
    assert (fact.decision, fact.outcome, fact.reason) == (AuditDecision.ALLOWED, AuditOutcome.SUCCEEDED, "")
    assert (fact.ip_address, fact.user_agent) == ("10.0.0.7", "curl/8?[31m")
    assert (fact.trace_id, fact.call_id, fact.call_path) == (f"{0xAB:032x}", "c-1", ("crowd",))
    assert house.put == []
    assert "secret" not in repr(fact)


@pytest.mark.parametrize(
    ("failure", "outcome", "reason"),
    [
        (SessionNotFound("s"), AuditOutcome.FAILED, "SESSION_NOT_FOUND"),
        (CallCancelled("c", "why"), AuditOutcome.CANCELLED, "CALL_CANCELLED"),
        (RuntimeError("with a payload"), AuditOutcome.FAILED, "INTERNAL"),
    ],
)
async def test_a_change_that_failed_says_so(
    house: House, failure: Exception, outcome: AuditOutcome, reason: str
) -> None:
    """By the contract's reason, and never by its text."""
    house.work = failing(failure)
    await house.go(call())
    (fact,) = house.recorded()
    assert (fact.decision, fact.outcome, fact.reason) == (AuditDecision.ALLOWED, outcome, reason)
    assert house.lines[0].outcome is outcome
    assert "payload" not in repr((fact, house.lines))


async def test_a_change_whose_client_left_is_cancelled(house: House) -> None:
    """And recorded as that."""

    async def wait(_: Call) -> None:
        await asyncio.Event().wait()

    house.work = wait
    task = asyncio.create_task(house.start(call()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert [fact.outcome for fact in house.recorded()] == [AuditOutcome.CANCELLED]


async def test_a_change_that_turns_out_to_be_a_look_is_none(house: House) -> None:
    """Its place in the recorder is free again."""

    async def look(call: Call) -> None:
        call.changes = False

    house.work = look
    await house.go(call())
    assert (house.recorded(), house.recorder._held) == ([], 0)  # noqa: SLF001 - a place that is lost shows late


async def test_calls_of_agents_and_looks_change_nothing(house: House) -> None:
    """They are told to the access log alone; by a setting the calls are recorded, too."""
    said = call(INVOKE, agent="echo", capability="say", id="c-1")
    await house.go(said)
    await house.go(call("/a2amesh.v1.SessionService/GetSession"))
    house.work = failing(PermissionDenied("person:bob", "agent:other:invoke"))  # of a child call
    await house.go(call(INVOKE, agent="echo", capability="say"))
    assert (house.recorded(), house.put) == ([], [])
    assert [line.agent for line in house.lines] == ["echo", "", "echo"]
    wordy = House(house.recorder, calls=True)
    await wordy.go(said)
    (fact,) = wordy.recorded()
    assert (fact.action, fact.target, fact.call_id) == ("agent:invoke", "agent:echo:say", "c-1")


async def test_what_a_layer_refuses_is_a_refusal_whatever_it_was(house: House) -> None:
    """Equal ones are coalesced; an RPC that nobody serves has no name of its own."""
    house.refusal = Unauthenticated()
    for method in (INVOKE, INVOKE, CREATE, "/invented/Name"):
        await house.go(call(method, agent="echo" if method == INVOKE else ""))
    assert house.recorded() == []
    assert [fact.action for fact in house.put] == ["agent:invoke", "session:create", "rpc:unknown"]
    assert {(fact.decision, fact.outcome, fact.reason) for fact in house.put} == {
        (AuditDecision.REFUSED, AuditOutcome.REFUSED, "UNAUTHENTICATED")
    }
    assert [line.outcome for line in house.lines] == [AuditOutcome.REFUSED] * 4


async def test_a_layer_that_finds_nothing_or_no_time_has_refused_nothing(house: House) -> None:
    """The call has failed: whoever invents names does not fill the audit with them."""
    for house.refusal in (AgentNotFound("invented"), DeadlineExceeded(1.0), CallCancelled("c", "why")):
        await house.go(call(INVOKE, agent="invented"))
    assert (house.put, house.recorded()) == ([], [])
    assert [line.outcome for line in house.lines] == [AuditOutcome.FAILED, AuditOutcome.FAILED, AuditOutcome.CANCELLED]


async def test_what_a_service_refuses_is_a_refusal_as_well(house: House) -> None:
    """Recorded once, be it a change or a look; the place that was held is free again."""
    house.work = failing(PermissionDenied("person:ann", "access:grant"))
    for method in (CREATE, CHECK):
        await house.go(call(method))
    assert [fact.action for fact in house.put] == ["session:create", "access:check-permission"]
    assert house.recorded() == []


async def test_a_change_that_cannot_be_recorded_is_not_made() -> None:
    """It waits for a place, and is gone without a trace when it is cancelled meanwhile."""
    rules = Rules(capacity=1, gather=3600.0, parting=0.0)
    async with Recorder.recording(MemoryAuditLog(), "n1", rules) as recorder:
        house = House(recorder)
        await house.go(call())
        worked = asyncio.Event()

        async def work(_: Call) -> None:
            worked.set()

        house.work = work
        task = asyncio.create_task(house.start(call()))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not worked.is_set()
        task.cancel()
        await asyncio.wait([task])
        assert (len(house.recorded()), recorder.dropped) == (1, 0)


async def test_a_stream_that_changes_something_is_told_when_it_begins_and_ends(house: House) -> None:
    """With how long it was open."""

    async def work(made: Call) -> None:
        assert [fact.metadata["stage"] for fact in house.recorded()] == ["begun"]
        made.target = "agent:crowd"

    house.work = work
    await house.go(call(ATTACH, endless=True))
    begun, ended = house.recorded()
    assert (begun.target, ended.target) == ("", "agent:crowd")
    assert ended.metadata == {"stage": "ended", "seconds": 0}


async def test_the_call_that_is_worked_on_is_the_current_one(house: House) -> None:
    """Also around a call inside of it."""
    outer, inner, seen = call(), call(INVOKE, agent="echo"), []

    async def work(made: Call) -> None:
        if made is outer:
            await house.go(inner)
        seen.append(CURRENT.get())

    house.work = work
    await house.go(outer)
    assert seen == [inner, outer]
    assert CURRENT.get() is None


async def test_probes_get_no_line_and_taps_may_see_them(house: House) -> None:
    """They ask every second."""
    reading = house.tap.read(TapFilter(all_rpcs=True))
    await anext(reading)
    await house.go(call("/grpc.health.v1.Health/Check"))
    assert house.lines == []
    assert isinstance(await anext(reading), EndedCall)
    await reading.aclose()

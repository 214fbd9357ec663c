"""The RPCs about runs: messages in, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from a2a_node.access.decisions import Decisions
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.call import Call
from a2a_node.model.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    PageTokenInvalid,
    PermissionDenied,
    RunNotFound,
    RunStateConflict,
    StepNotWaiting,
    TemplateNotFound,
    TooManySubscribers,
)
from a2a_node.model.runs import (
    INLINE,
    Decision,
    RunChange,
    RunStatus,
    RunStep,
    StepAttempt,
    StepChange,
    StepItems,
    StepStatus,
)
from a2a_node.services.workflow import WorkflowService
from a2a_node.testing import MemoryRuns, MemoryTemplates
from a2a_node.wire.run_steps import to_step
from a2a_node.wire.runs import from_event, from_run, to_event, to_run
from a2a_node.workflows.library import Library
from a2a_node.workflows.retention import Retention
from a2amesh.v1 import workflow_pb2
from a2amesh.v1 import workflow_service_pb2 as pb
from tests.contract.run_houses import GATE
from tests.unit.pipeline.test_limits import ANN, nothing
from tests.unit.services.rooms import nothing_granted, run_rooms
from tests.unit.workflows.samples import Agents

SOURCE = """\
name: greeting
description: Greets.
timeout: 90s
max_concurrent_runs: 3
inputs:
  who: {schema: {type: string, maxLength: 5}}
  times: {type: integer, default: 2}
steps:
  greet: {agent: git, capability: clone, input: {name: "${{ inputs.who }}"}}
  gate: {needs: greet, approval: {permission: "workflow:release:approve", question: Sure?}}
  each: {needs: gate, agent: git, foreach: "[1, 2]"}
"""

Given = Mapping[str, str | float]


class House:
    """A service, its record, and who calls it."""

    def __init__(self, decisions: Decisions, *, watchers: int = 1000) -> None:
        self.record = MemoryRuns()
        git = AgentDescriptor("git", capabilities=(AgentCapability("clone"),))
        library = Library(MemoryTemplates(), Agents(git))
        self.service = WorkflowService(library, run_rooms(library, decisions, self.record, watchers))
        self.call = Call(method="/m", rest=nothing, principal=ANN)

    async def start(self, inputs: Given | None = None, **more: object) -> workflow_pb2.Workflow:
        """Start a run."""
        given = Struct()
        given.update({"who": "Bob"} if inputs is None else inputs)
        request = pb.StartRunRequest(template="greeting", inputs=given, **more)  # type: ignore[arg-type]
        return (await self.service.start_run(request, self.call)).run

    async def begun(self) -> workflow_pb2.Workflow:
        """A run that the executor e1 has."""
        run = await self.start()
        await self.record.renew("e1", "n1", 60)
        await self.record.claim("e1", 10)
        return run


@pytest.fixture
async def decisions() -> AsyncIterator[Decisions]:
    """Nobody may do anything."""
    async with nothing_granted() as found:
        yield found


@pytest.fixture
async def house(decisions: Decisions) -> House:
    """One template was put."""
    house = House(decisions)
    await house.service.put_template(pb.PutTemplateRequest(source=SOURCE), house.call)
    return house


async def test_a_run_begins_as_its_template_says(house: House) -> None:
    """Defaults filled in, its steps before any has begun; the audit is told which run it is."""
    run = await house.start(budget={"calls": 5})
    assert (run.name, run.description, run.template, run.template_version) == ("greeting", "Greets.", "greeting", 1)
    assert dict(run.inputs) == {"who": "Bob", "times": 2}
    assert (run.status, run.created_by) == (workflow_pb2.WORKFLOW_STATUS_PENDING, "person:ann")
    assert run.expire_time.ToDatetime() - run.create_time.ToDatetime() == timedelta(seconds=90)
    assert [(step.step_id, step.agent, list(step.needs)) for step in run.steps] == [
        ("greet", "git", []),
        ("gate", "", ["greet"]),
        ("each", "git", ["gate"]),
    ]
    assert (run.steps[1].approval.permission, run.steps[1].approval.question) == ("workflow:release:approve", "Sure?")
    assert house.call.target == f"run:{run.run_id} template:greeting 1"
    kept = (await house.record.get(run.run_id)).authority
    assert kept == f"{run.run_id} {{'calls': 5}} 90.0".encode()
    own = await house.start(name="mine", description="why", timeout=Duration(seconds=5))
    assert (own.name, own.description) == ("mine", "why")
    assert own.expire_time.ToDatetime() - own.create_time.ToDatetime() == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("inputs", "more", "field"),
    [
        ({}, {}, r"inputs\.who"),
        ({"who": 3}, {}, r"inputs\.who"),
        ({"who": "far too long"}, {}, r"inputs\.who"),
        ({"who": "Bob", "much": 1}, {}, r"inputs\.much"),
        ({"who": "Bob", "times": "x" * 1024 * 1024}, {}, "inputs"),
        ({"who": "B\0b"}, {}, "inputs"),
        (None, {"name": "x" * 256}, "name"),
        (None, {"description": "x" * 2001}, "description"),
        (None, {"timeout": Duration(seconds=0)}, "timeout"),
        (None, {"timeout": Duration(seconds=31 * 86400)}, "timeout"),
        (None, {"budget": {"calls": -1}}, "budget"),
        (None, {"template_version": -1}, "template_version"),
        (None, {"idempotency_key": "x" * 256}, "idempotency_key"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
async def test_what_is_wrong_with_a_start_is_named(
    house: House, inputs: Given | None, more: Mapping[str, object], field: str
) -> None:
    """And nothing was recorded."""
    with pytest.raises(InvalidInput, match=field):
        await house.start(inputs, **more)
    assert (await house.service.list_runs(pb.ListRunsRequest(), house.call)).runs == []


async def test_large_labels_and_contexts_are_refused(house: House) -> None:
    """Each within its own bound."""
    large = Struct()
    large.update({"x": "y" * 17 * 1024})
    with pytest.raises(InvalidInput, match="metadata: has 17,4"):
        await house.start(metadata=large)
    assert (await house.start(global_context=large)).global_context == large
    large.update({"x": "y" * 1024 * 1024})
    with pytest.raises(InvalidInput, match="global_context"):
        await house.start(global_context=large)


async def test_a_start_can_be_repeated(house: House) -> None:
    """The same key is the same run; another request under it is refused."""
    first = await house.start(idempotency_key="k")
    assert (await house.start(idempotency_key="k")).run_id == first.run_id
    with pytest.raises(IdempotencyKeyReused):
        await house.start({"who": "Ann"}, idempotency_key="k")


async def test_what_is_not_there_is_not_found(house: House) -> None:
    """Templates, versions, runs; an id of another form is no id."""
    for template, version in (("nobody", 0), ("greeting", 7)):
        with pytest.raises(TemplateNotFound):
            await house.service.start_run(pb.StartRunRequest(template=template, template_version=version), house.call)
    with pytest.raises(RunNotFound):
        await house.service.get_run(pb.GetRunRequest(run_id=str(uuid4())), house.call)
    with pytest.raises(InvalidInput, match="run_id"):
        await house.service.pause_run(pb.PauseRunRequest(run_id="7"), house.call)
    run = await house.start()
    with pytest.raises(InvalidInput, match="step_id"):
        await house.service.get_run(pb.GetRunRequest(run_id=run.run_id, step_id="nope"), house.call)


async def test_one_step_is_told_whole(house: House) -> None:
    """All of them without what is large; and where all are many, the first ones alone have theirs."""
    run = await house.begun()
    large = {"text": "x" * (INLINE + 1)}
    step = RunStep("greet", StepStatus.COMPLETED, input=large, output=["y"])
    await house.record.change("e1", run.run_id, [StepChange(step)])
    told = (await house.service.get_run(pb.GetRunRequest(run_id=run.run_id), house.call)).run
    assert (told.steps[0].data_omitted, told.steps[0].HasField("input")) == (True, False)
    alone = (await house.service.get_run(pb.GetRunRequest(run_id=run.run_id, step_id="greet"), house.call)).run
    assert [to_step(one).input for one in alone.steps] == [large]
    assert to_step(alone.steps[0]).output == ["y"]
    assert not alone.steps[0].data_omitted


async def test_runs_are_listed_in_pages(house: House) -> None:
    """A token continues the list that it came from, and no other."""
    ids = [(await house.start()).run_id for _ in range(3)]
    first = await house.service.list_runs(pb.ListRunsRequest(page_size=2), house.call)
    token = first.next_page_token
    rest = await house.service.list_runs(pb.ListRunsRequest(page_size=2, page_token=token), house.call)
    assert {run.run_id for run in (*first.runs, *rest.runs)} == set(ids)
    assert rest.next_page_token == ""
    for wrong in (
        pb.ListRunsRequest(page_token=token, template="other"),
        pb.ListRunsRequest(page_token="nonsense"),
    ):
        with pytest.raises(PageTokenInvalid):
            await house.service.list_runs(wrong, house.call)
    with pytest.raises(InvalidInput, match="statuses"):
        await house.service.list_runs(pb.ListRunsRequest(statuses=[99]), house.call)  # type: ignore[list-item]
    waiting = pb.ListRunsRequest(statuses=[workflow_pb2.WORKFLOW_STATUS_WAITING])
    assert (await house.service.list_runs(waiting, house.call)).runs == []


async def test_a_run_is_watched_to_its_end(house: House, decisions: Decisions) -> None:
    """Resumably; a node serves no more watchers than it may."""
    run = await house.begun()
    await house.record.change("e1", run.run_id, [StepChange(RunStep("greet"), progress={"percent": 50})])
    await house.record.change("e1", run.run_id, [], RunChange(RunStatus.COMPLETED, {"text": "hi"}))
    told = [one async for one in house.service.watch_run(pb.WatchRunRequest(run_id=run.run_id), house.call)]
    assert [(one.sequence, one.WhichOneof("change")) for one in told] == [
        (1, "run"),
        (2, "run"),
        (3, "progress"),
        (4, "run"),
    ]
    assert dict(told[2].progress.output.struct) == {"percent": 50}
    assert dict(told[3].run.output) == {"text": "hi"}
    assert house.call.ending
    later = pb.WatchRunRequest(run_id=run.run_id, after_sequence=3)
    assert [one.sequence async for one in house.service.watch_run(later, house.call)] == [4]
    with pytest.raises(InvalidInput, match="after_sequence"):
        await anext(house.service.watch_run(pb.WatchRunRequest(run_id=run.run_id, after_sequence=-1), house.call))
    small = House(decisions, watchers=1)
    await small.service.put_template(pb.PutTemplateRequest(source=SOURCE), small.call)
    wanted = pb.WatchRunRequest(run_id=(await small.start()).run_id)
    async with aclosing(small.service.watch_run(wanted, small.call)) as watching:
        await anext(watching)
        assert not small.call.ending
        with pytest.raises(TooManySubscribers):
            await anext(small.service.watch_run(wanted, small.call))
    async with aclosing(small.service.watch_run(wanted, small.call)) as watching:
        await anext(watching)


async def test_wishes_are_answered_with_the_run(house: House) -> None:
    """As it stands then."""
    run = await house.start()
    paused = await house.service.pause_run(pb.PauseRunRequest(run_id=run.run_id), house.call)
    assert paused.run.status == workflow_pb2.WORKFLOW_STATUS_PAUSED
    resumed = await house.service.resume_run(pb.ResumeRunRequest(run_id=run.run_id), house.call)
    assert resumed.run.status == workflow_pb2.WORKFLOW_STATUS_PENDING
    with pytest.raises(InvalidInput, match="reason"):
        await house.service.cancel_run(pb.CancelRunRequest(run_id=run.run_id, reason="x" * 501), house.call)
    cancelled = await house.service.cancel_run(pb.CancelRunRequest(run_id=run.run_id, reason="no"), house.call)
    assert cancelled.run.status == workflow_pb2.WORKFLOW_STATUS_CANCELLED
    with pytest.raises(RunStateConflict):
        await house.service.retry_run(pb.RetryRunRequest(run_id=run.run_id), house.call)
    failed = await house.begun()
    broken = [StepChange(RunStep("greet", StepStatus.FAILED))]
    await house.record.change("e1", failed.run_id, broken, RunChange(RunStatus.FAILED))
    again = pb.RetryRunRequest(run_id=failed.run_id, step_id="greet", timeout=Duration(seconds=9))
    assert (await house.service.retry_run(again, house.call)).run.steps[0].attempt_group == 2


async def test_who_decides_must_be_allowed_what_the_step_asks_for(house: House, decisions: Decisions) -> None:
    """Whoever else they act for, too."""
    run = await house.begun()
    request = pb.ApproveStepRequest(run_id=run.run_id, step_id="gate", decision=workflow_pb2.APPROVAL_DECISION_APPROVE)
    await house.record.change("e1", run.run_id, [StepChange(RunStep("gate", StepStatus.WAITING, approval=GATE))])
    with pytest.raises(PermissionDenied, match="workflow:release:approve"):
        await house.service.approve_step(request, house.call)
    assert (await house.record.get(run.run_id)).steps[1].approval == GATE
    decisions.roots = frozenset({ANN})
    with pytest.raises(InvalidInput, match="decision"):
        await house.service.approve_step(pb.ApproveStepRequest(run_id=run.run_id, step_id="gate"), house.call)
    approved = await house.service.approve_step(request, house.call)
    assert (approved.run.steps[1].approval.decided_by, approved.run.steps[1].approval.decision) == (
        "person:ann",
        workflow_pb2.APPROVAL_DECISION_APPROVE,
    )
    for step, fault in (("greet", StepNotWaiting), ("nope", InvalidInput)):
        request.step_id = step
        with pytest.raises(fault):
            await house.service.approve_step(request, house.call)


async def test_no_word_of_a_run_is_lost_on_the_wire(house: House) -> None:
    """There and back, but for what only nodes read."""
    run = await house.begun()
    at = (await house.record.get(run.run_id)).created_at
    step = RunStep(
        "each", StepStatus.FAILED, input={"x": 1}, output=[None, {"y": "z"}], items=StepItems(2, 1, 1),
        attempts=(StepAttempt(1, at, "n1", "c1", at, RunNotFound("r")),), error=RunNotFound("r"), child_run_id="c",
        compensated=True,
    )  # fmt: skip
    await house.record.change("e1", run.run_id, [StepChange(step)])
    await house.record.change("e1", run.run_id, [StepChange(RunStep("gate", StepStatus.WAITING, approval=GATE))])
    await house.record.decide(run.run_id, "gate", Decision.REJECT, "person:bob", "no")
    await house.record.change("e1", run.run_id, [StepChange(RunStep("each"), progress=[1, "a"])])
    await house.record.change("e1", run.run_id, [], RunChange(RunStatus.FAILED, error=RunNotFound("r")))
    message = from_run(await house.record.get(run.run_id))
    assert from_run(to_run(message)) == message
    async for event in house.record.events(run.run_id, 0):
        assert from_event(to_event(from_event(event))) == from_event(event)
        assert to_event(from_event(event)).progress == event.progress


async def test_old_runs_are_forgotten(house: House) -> None:
    """Once they ended so long ago; while the store is away nothing happens."""
    run = await house.begun()
    await house.record.change("e1", run.run_id, [], RunChange(RunStatus.COMPLETED))
    assert await Retention(house.record, timedelta(days=30)).once() == 0
    house.record.lose()
    assert await Retention(house.record, timedelta(days=-1)).once() == 0
    house.record.recover()
    assert await Retention(house.record, timedelta(days=-1)).once() == 1

"""Runs of workflows: started, asked about, watched, and told what is wished of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.watching import Watch, watched
from a2a_node.model.budget import Amounts
from a2a_node.model.runs import Decision, Run, RunEvent, RunFilter
from a2a_node.wire.agents import duration, timestamp
from a2a_node.wire.payloads import from_mapping
from a2a_node.wire.run_steps import from_decision
from a2a_node.wire.runs import from_status, to_event, to_run
from a2amesh.v1 import workflow_service_pb2 as pb

_START = Rpc("WorkflowService/StartRun", pb.StartRunRequest, pb.StartRunResponse)
_GET = Rpc("WorkflowService/GetRun", pb.GetRunRequest, pb.GetRunResponse)
_LIST = Rpc("WorkflowService/ListRuns", pb.ListRunsRequest, pb.ListRunsResponse)
_WATCH = Rpc("WorkflowService/WatchRun", pb.WatchRunRequest, pb.WatchRunResponse)
_CANCEL = Rpc("WorkflowService/CancelRun", pb.CancelRunRequest, pb.CancelRunResponse)
_PAUSE = Rpc("WorkflowService/PauseRun", pb.PauseRunRequest, pb.PauseRunResponse)
_RESUME = Rpc("WorkflowService/ResumeRun", pb.ResumeRunRequest, pb.ResumeRunResponse)
_RETRY = Rpc("WorkflowService/RetryRun", pb.RetryRunRequest, pb.RetryRunResponse)
_APPROVE = Rpc("WorkflowService/ApproveStep", pb.ApproveStepRequest, pb.ApproveStepResponse)

ALL = RunFilter()


@dataclass(frozen=True, slots=True)
class RunTerms:
    """How a run is to go; what is absent is the template's. Times are in seconds."""

    version: int = 0  # of the template; 0 means the newest
    name: str = ""
    description: str = ""
    context: Mapping[str, object] = field(default_factory=dict)  # what every step reads as `context`
    metadata: Mapping[str, object] = field(default_factory=dict)
    timeout: float | None = None
    budget: Amounts = field(default_factory=dict)
    key: str = ""  # makes it safe to ask again: the same key, the same run


USUAL = RunTerms()


class WorkflowRuns:
    """Runs of templates, on whichever node they are executed."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def start(self, template: str, inputs: Mapping[str, object] | None = None, how: RunTerms = USUAL) -> Run:
        """Start a run; it is answered as it was recorded, and `watch` follows it.

        TemplateNotFound; InvalidInput names the input at fault; IdempotencyKeyReused.
        """
        request = pb.StartRunRequest(
            template=template,
            template_version=how.version,
            inputs=from_mapping(inputs or {}, "inputs"),
            global_context=from_mapping(how.context, "global_context"),
            idempotency_key=how.key,
            name=how.name,
            description=how.description,
            metadata=from_mapping(how.metadata, "metadata"),
            timeout=None if how.timeout is None else duration(how.timeout),
            budget=how.budget,
        )
        return to_run((await self._connection.ask(_START, request, terms())).run)

    async def run(self, run_id: str, step: str = "") -> Run:
        """How a run and its steps stand; with a step it alone, its input and output whole. RunNotFound."""
        request = pb.GetRunRequest(run_id=run_id, step_id=step)
        return to_run((await self._connection.ask(_GET, request, terms())).run)

    async def runs(self, wanted: RunFilter = ALL) -> AsyncIterator[Run]:
        """Runs that fit, the newest first, without steps, inputs and outputs, fetched page by page."""
        request = pb.ListRunsRequest(
            template=wanted.template,
            statuses=[from_status(status) for status in wanted.statuses],
            created_by=wanted.created_by,
            parent_run_id=wanted.parent_run_id,
            start_time=timestamp(wanted.since),
            end_time=timestamp(wanted.until),
        )
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.runs:
                yield to_run(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def watch(self, run_id: str, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events of a run after a sequence, to its end: those that were, then those that come. RunNotFound.

        When its node is lost, the watch goes on at the next one, without an event lost or told twice.
        """
        request = pb.WatchRunRequest(run_id=run_id, after_sequence=after)
        async with aclosing(watched(self._connection.nodes, _WATCHING, request)) as events:
            async for message in events:
                yield to_event(message)

    async def cancel(self, run_id: str, reason: str = "", *, compensate: bool = False) -> Run:
        """End a run, with `compensate` undoing what it did where the template says how. RunStateConflict."""
        request = pb.CancelRunRequest(run_id=run_id, reason=reason, compensate=compensate)
        return to_run((await self._connection.ask(_CANCEL, request, terms())).run)

    async def pause(self, run_id: str) -> Run:
        """Let steps at work finish, and begin no others. RunStateConflict."""
        return to_run((await self._connection.ask(_PAUSE, pb.PauseRunRequest(run_id=run_id), terms())).run)

    async def resume(self, run_id: str) -> Run:
        """Let a paused run go on. RunStateConflict."""
        return to_run((await self._connection.ask(_RESUME, pb.ResumeRunRequest(run_id=run_id), terms())).run)

    async def retry(self, run_id: str, step: str = "", *, timeout: float | None = None) -> Run:  # noqa: ASYNC109 - of the run
        """Take a failed run up again, from one failed step or all of them; RunStateConflict.

        It may still take `timeout` seconds, or as long as it was given at first.
        """
        request = pb.RetryRunRequest(
            run_id=run_id, step_id=step, timeout=None if timeout is None else duration(timeout)
        )
        return to_run((await self._connection.ask(_RETRY, request, terms())).run)

    async def approve(self, run_id: str, step: str, decision: Decision = Decision.APPROVE, comment: str = "") -> Run:
        """Decide on a step that waits; PermissionDenied, StepNotWaiting."""
        request = pb.ApproveStepRequest(run_id=run_id, step_id=step, decision=from_decision(decision), comment=comment)
        return to_run((await self._connection.ask(_APPROVE, request, terms())).run)


def _moved(request: pb.WatchRunRequest, told: pb.WatchRunResponse) -> None:
    request.after_sequence = told.sequence


def _again(_: pb.WatchRunRequest, told: pb.WatchRunResponse) -> Iterable[pb.WatchRunResponse]:
    return (told,)


_WATCHING = Watch(_WATCH, _moved, _again)

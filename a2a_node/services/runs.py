"""The RPCs of WorkflowService that are about runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from a2a_node.mesh.warranting import NewTree
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, TooManySubscribers
from a2a_node.model.names import checked_text, checked_uuid
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.run_ports import Runs
from a2a_node.model.runs import Run, RunStatus
from a2a_node.model.workflows import LEAST_TIMEOUT, MOST_TIMEOUT
from a2a_node.services.approving import Approving
from a2a_node.services.fields import checked_key, checked_span, mark, marked
from a2a_node.services.run_requests import shown, wanted_run, wanted_runs, with_step
from a2a_node.wire.run_steps import to_decision
from a2a_node.wire.runs import from_event, from_run
from a2a_node.workflows.starting import Starting, Wanted
from a2amesh.v1 import workflow_service_pb2 as pb

WATCHERS = 1000  # of runs, on one node
REASON, COMMENT = 500, 2000  # characters
STEP_ID = 63  # bytes


class Authorities(Protocol):
    """By what runs are executed: see `mesh.warranting.Warrants`."""

    async def authority_of(self, call: Call, run: NewTree) -> bytes:
        """Of a run that a call starts; StoreUnavailable."""

    async def renewed(self, run: Run, seconds: float | None) -> None:
        """Give a run that is taken up again its budget anew; RunStateConflict, StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class RunRooms:
    """What serves runs: their record, how they are started, by which authority, and who decides on their steps."""

    record: Runs
    starting: Starting
    authorities: Authorities
    approving: Approving
    watchers: int = WATCHERS

    async def begin(self, wanted: Wanted, call: Call, run_id: str = "") -> Run:
        """Record a run in the name of a call's principal, under an id that was chosen for it or a fresh one."""
        made = await self.starting.made(wanted, str(call.principal))
        new = replace(made, id=run_id) if run_id else made
        authority = await self.authorities.authority_of(call, NewTree(new.id, new.budget, new.timeout))
        trace_id = f"{call.trace.trace_id:032x}" if call.trace else ""
        run = await self.record.record(replace(new, authority=authority, trace_id=trace_id))
        call.target = f"run:{run.id} template:{run.template} {run.template_version}"
        return run


class RunRpcs:
    """Runs of templates."""

    def __init__(self, rooms: RunRooms) -> None:
        self._rooms, self._runs = rooms, rooms.record
        self._watchers = 0

    async def start_run(self, request: pb.StartRunRequest, call: Call) -> pb.StartRunResponse:
        """Record a run of a template, for an engine to take it up."""
        return pb.StartRunResponse(run=from_run(shown(await self._rooms.begin(wanted_run(request), call))))

    async def get_run(self, request: pb.GetRunRequest, _: Call) -> pb.GetRunResponse:
        """How a run and its steps stand."""
        run = await self._runs.get(_run_id(request))
        if request.step_id:
            step_id = checked_key("step_id", request.step_id, STEP_ID)
            return pb.GetRunResponse(run=from_run(with_step(run, step_id, await self._runs.data(run.id, step_id))))
        return pb.GetRunResponse(run=from_run(shown(run)))

    async def list_runs(self, request: pb.ListRunsRequest, _: Call) -> pb.ListRunsResponse:
        """The runs that fit the filters, the newest first."""
        wanted, size = wanted_runs(request), page_size(request.page_size)
        scope = repr(("runs", wanted))
        found = await self._runs.list(wanted, marked(after_token(scope, request.page_token)), size + 1)
        page = found[:size]
        return pb.ListRunsResponse(
            runs=[from_run(run) for run in page],
            next_page_token=page_token(scope, mark(page[-1].created_at, page[-1].id)) if len(found) > size else "",
        )

    async def watch_run(self, request: pb.WatchRunRequest, call: Call) -> AsyncGenerator[pb.WatchRunResponse, None]:
        """The events of a run, until it has ended."""
        if request.after_sequence < 0:
            raise InvalidInput("after_sequence", f"{request.after_sequence} must not be negative")
        if self._watchers >= self._rooms.watchers:
            raise TooManySubscribers("run", self._rooms.watchers)
        self._watchers += 1
        try:
            async with aclosing(self._runs.events(_run_id(request), request.after_sequence)) as events:
                async for event in events:
                    call.ending = event.run is not None and event.run.status.terminal
                    yield from_event(event)
        finally:
            self._watchers -= 1

    async def cancel_run(self, request: pb.CancelRunRequest, _: Call) -> pb.CancelRunResponse:
        """End a run."""
        reason = checked_text("reason", request.reason, REASON)
        run = await self._runs.cancel(_run_id(request), reason, compensate=request.compensate)
        return pb.CancelRunResponse(run=from_run(shown(run)))

    async def pause_run(self, request: pb.PauseRunRequest, _: Call) -> pb.PauseRunResponse:
        """Begin no more steps."""
        return pb.PauseRunResponse(run=from_run(shown(await self._runs.pause(_run_id(request)))))

    async def resume_run(self, request: pb.ResumeRunRequest, _: Call) -> pb.ResumeRunResponse:
        """Go on."""
        return pb.ResumeRunResponse(run=from_run(shown(await self._runs.resume(_run_id(request)))))

    async def retry_run(self, request: pb.RetryRunRequest, _: Call) -> pb.RetryRunResponse:
        """Take a failed run up again."""
        step_id = checked_key("step_id", request.step_id, STEP_ID) if request.step_id else ""
        given = request.HasField("timeout")
        seconds = checked_span("timeout", request.timeout, LEAST_TIMEOUT, MOST_TIMEOUT) if given else None
        run = await self._runs.get(_run_id(request))
        if run.status is RunStatus.FAILED:
            await self._rooms.authorities.renewed(run, seconds)
        run = await self._runs.retry(run.id, step_id, seconds)
        return pb.RetryRunResponse(run=from_run(shown(run)))

    async def approve_step(self, request: pb.ApproveStepRequest, call: Call) -> pb.ApproveStepResponse:
        """Decide on a step that waits, as whoever may do what the step asks for."""
        run_id, step_id = _run_id(request), checked_key("step_id", request.step_id, STEP_ID)
        decision = to_decision("decision", request.decision)
        comment = checked_text("comment", request.comment, COMMENT)
        await self._rooms.approving.check(call, await self._runs.get(run_id), step_id)
        run = await self._runs.decide(run_id, step_id, decision, str(call.principal), comment)
        return pb.ApproveStepResponse(run=from_run(shown(run)))


def _run_id(
    request: pb.GetRunRequest
    | pb.WatchRunRequest
    | pb.CancelRunRequest
    | pb.PauseRunRequest
    | pb.ResumeRunRequest
    | pb.RetryRunRequest
    | pb.ApproveStepRequest,
) -> str:
    return checked_uuid("run_id", request.run_id)

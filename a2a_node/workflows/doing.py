"""Doing a step's work: a call, another run, either for each item of a list, or the wait for somebody's word."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from math import inf

from a2a_node.model.errors import ApprovalExpired, ApprovalRejected, DeadlineExceeded, RunCancelled
from a2a_node.model.runs import Decision, RunRefused, RunStatus, StepApproval, StepStatus
from a2a_node.model.workflows import Approval, Object, SubWorkflow, TemplateStep
from a2a_node.workflows.attempts import Tries, tried, within
from a2a_node.workflows.calling import Calling
from a2a_node.workflows.checking import input_of
from a2a_node.workflows.desk import Desk, refused
from a2a_node.workflows.listing import each


async def done(desk: Desk, step: TemplateStep) -> object:
    """What a step makes; any MeshError."""
    if isinstance(step.work, Approval):
        return await _approved(desk, step, step.work)
    if step.foreach:
        return await each(desk, step, lambda index, item: _once(desk, step, {"index": index, "item": item}))
    if isinstance(step.work, SubWorkflow):
        await desk.expand(step, 1)
    return await _once(desk, step, {})


async def _once(desk: Desk, step: TemplateStep, item: Object) -> object:
    given = await desk.scope.input(step.id, input_of(step), item)
    if not item:
        desk.stand.tell(step.id, lazily=True, status=StepStatus.RUNNING, input=given, error=None)
    place = f":{item['index']}" if item else ""
    key = f"{desk.stand.run.id}:{step.id}:{desk.stand[step.id].attempt_group}{place}"
    if isinstance(step.work, SubWorkflow):
        return await _child(desk, step, given, key)
    return await Calling(desk, step, given, key, listed=bool(item)).done()


async def _child(desk: Desk, step: TemplateStep, given: Object, key: str) -> object:
    """The output of another run, which is cancelled with this step."""
    work, tries = step.work, Tries()
    children, run = desk.house.children, desk.house.traces.below(desk.stand.run, step.id)

    async def attempt() -> object:
        name = work.template if isinstance(work, SubWorkflow) else ""
        parent = replace(run, expires_at=desk.ends(step))
        its = f"{key}~{tries.failed}" if tries.failed else key
        try:
            child = await children.begin(parent, name, given, its, undoes=bool(step.compensates))
        except RunRefused as refusal:
            raise refused(step, str(refusal)) from None
        desk.stand.tell(step.id, child_run_id=child)
        try:
            ended = await children.ended(child)
        except asyncio.CancelledError:
            if not desk.leaving:
                await children.cancel(child)
            raise
        if ended.status is RunStatus.COMPLETED:
            return dict(ended.output or {})
        raise ended.error or RunCancelled(child)

    return await tried(step.retry, tries, lambda: within(desk.seconds(step), attempt), desk.house.jitter)


async def _approved(desk: Desk, step: TemplateStep, work: Approval) -> object:
    """Who said yes; ApprovalRejected, ApprovalExpired."""
    asked = desk.stand[step.id].approval or StepApproval(work.permission, work.question)
    if asked.requested_at is None:
        now = desk.stand.clock()
        expires = now + timedelta(seconds=step.timeout) if step.timeout else None
        asked = replace(asked, requested_at=now, expires_at=expires)
    desk.stand.tell(step.id, status=StepStatus.WAITING, approval=asked, error=None)
    left = (asked.expires_at - desk.stand.clock()).total_seconds() if asked.expires_at else inf
    try:
        await within(left, lambda: desk.decided(step.id))
    except DeadlineExceeded:
        raise ApprovalExpired(step.id, step.timeout) from None
    said = desk.stand[step.id].approval or asked
    if said.decision is Decision.REJECT:
        raise ApprovalRejected(step.id, said.decided_by, said.comment)
    return {"decided_by": said.decided_by, "comment": said.comment}

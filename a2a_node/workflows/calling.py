"""A step's call of an agent: tried as its template says, each attempt on record, done once under its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf

from a2a_node.model.errors import MeshError
from a2a_node.model.names import fresh_uuid
from a2a_node.model.runs import INLINE, StepAttempt, StepStatus
from a2a_node.model.workflows import AgentCall, Object, TemplateStep
from a2a_node.workflows.attempts import Tries, admitted, tried, within
from a2a_node.workflows.desk import Desk
from a2a_node.workflows.scope import size_of
from a2a_node.workflows.stand import MOST_ATTEMPTS
from a2a_node.workflows.walk_ports import StepCall

SLACK = 1.0  # seconds that the clocks of the store and of a node may differ here
LONGEST_CALL = 3_600.0  # seconds; what a node gives a call at most


class Calling:
    """One call, of a step or of one of its items; items share the step's attempts, which are not kept for them."""

    def __init__(self, desk: Desk, step: TemplateStep, given: Object, key: str, *, listed: bool) -> None:
        self._desk, self._step, self._given, self._key, self._listed = desk, step, given, key, listed
        self._tries = Tries() if listed else self._before()
        self._used: set[str] = set()  # ids of calls; the mesh knows each once

    async def done(self) -> object:
        """Its output; any MeshError."""
        return await tried(self._step.retry, self._tries, self._attempt, self._desk.house.jitter)

    async def _attempt(self) -> object:
        async with self._desk.room:
            await self._desk.house.turn()
            attempt = self._begin()
            try:
                output = await within(self._desk.seconds(self._step), lambda: self._called(attempt))
            except MeshError as error:
                self._end(attempt, error)
                raise
        self._end(attempt, None)
        return output

    async def _called(self, attempt: StepAttempt) -> object:
        agent, capability = await self._chosen()
        patience = min(self._desk.seconds(self._step), self._left())
        call = partial(self._asked, attempt, agent, capability)
        return await admitted(patience, agent, call, self._desk.house.jitter)

    def _left(self) -> float:
        """Seconds that the run has left for it; what undoes another step is not bound by that."""
        return inf if self._step.compensates else max(self._desk.left(), 0.0)

    async def _asked(self, attempt: StepAttempt, agent: str, capability: str) -> object:
        seconds = min(self._desk.seconds(self._step), LONGEST_CALL, self._left() + SLACK)
        key = f"{self._key}~{self._tries.refused}" if self._tries.refused else self._key
        run = self._desk.house.traces.below(self._desk.stand.run, self._step.id)
        call_id = self._fresh(attempt)
        call = StepCall(run, self._step.id, agent, capability, self._given, key, call_id, seconds)
        self._desk.calling[self._step.id] += 1
        try:
            return await self._desk.house.caller.call(call, self._said)
        finally:
            self._desk.calling[self._step.id] -= 1
            self._desk.news.set()

    def _fresh(self, attempt: StepAttempt) -> str:
        """The id of an attempt's call; another one where the mesh could not begin that, and is asked again."""
        call_id = fresh_uuid() if attempt.call_id in self._used else attempt.call_id
        self._used.add(call_id)
        attempts = self._desk.stand[self._step.id].attempts
        self._desk.stand.note(self._step.id, _with(attempts, replace(attempt, call_id=call_id)))
        return call_id

    async def _chosen(self) -> tuple[str, str]:
        """Who is called; of a step that was begun before the one it was, whose outcomes the mesh keeps."""
        stand, work = self._desk.stand[self._step.id], self._step.work
        if stand.agent and stand.capability:
            return stand.agent, stand.capability
        if not isinstance(work, AgentCall):
            raise TypeError(f"step {self._step.id!r} calls nobody")
        agent, capability = await self._desk.house.caller.chosen(work)
        self._desk.stand.tell(self._step.id, agent=agent, capability=capability)
        return agent, capability

    async def _said(self, output: object) -> None:
        if size_of(output) <= INLINE:
            await self._desk.stand.progress(self._step.id, output)

    def _begin(self) -> StepAttempt:
        stand = self._desk.stand[self._step.id]
        number = stand.attempts[-1].attempt + 1 if stand.attempts else 1
        attempt = StepAttempt(number, self._desk.stand.clock(), self._desk.house.caller.node_id, fresh_uuid())
        if not self._listed:
            self._tell((*stand.attempts, attempt), lazily=True)
        return attempt

    def _end(self, attempt: StepAttempt, error: MeshError | None) -> None:
        if self._listed:
            return
        attempts = self._desk.stand[self._step.id].attempts
        begun = next(one for one in attempts if one.attempt == attempt.attempt)
        ended = replace(begun, completed_at=self._desk.stand.clock(), error=error)
        self._tell(_with(attempts, ended), quietly=error is None)

    def _tell(self, attempts: tuple[StepAttempt, ...], *, quietly: bool = False, lazily: bool = False) -> None:
        """Have the attempts recorded; `quietly` with the step's end, which follows at once."""
        kept = attempts[-MOST_ATTEMPTS:]
        if quietly:
            self._desk.stand.note(self._step.id, kept)
        else:
            self._desk.stand.tell(self._step.id, lazily=lazily, status=StepStatus.RUNNING, attempts=kept)

    def _before(self) -> Tries:
        """What has failed in this group before another engine took the run over."""
        stand, tries = self._desk.stand[self._step.id], Tries()
        known = stand.started_at is not None and stand.id in self._desk.stand.begun
        begun = stand.started_at.timestamp() if known and stand.started_at else inf
        for attempt in stand.attempts:
            if attempt.error and attempt.started_at.timestamp() >= begun - SLACK:
                tries.failure(attempt.error)
        return tries


def _with(attempts: Sequence[StepAttempt], known: StepAttempt) -> tuple[StepAttempt, ...]:
    """Attempts, one of which is better known."""
    return tuple(known if one.attempt == known.attempt else one for one in attempts)

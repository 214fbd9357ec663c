"""What is to be done next in a run, decided from how its steps stand alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import RunStatus, RunStep, StepStatus
from a2a_node.model.workflows import AgentCall, Object, OnFailure, Template, TemplateStep, Work
from a2a_node.workflows.graph import Graph

Steps = Mapping[str, RunStep]


@dataclass(frozen=True, slots=True)
class Fate:
    """How a run will end, decided before its end; `undoing` says that what was done is undone first."""

    status: RunStatus
    error: MeshError | None = None
    undoing: bool = False
    output: Object | None = None

    def spares(self, work: Work) -> bool:
        """Whether a step may end its work: what it does can be undone then."""
        return self.undoing and self.status is RunStatus.FAILED and isinstance(work, AgentCall)


class Plan:
    """What a template says of what comes before what."""

    def __init__(self, template: Template) -> None:
        self.steps = {step.id: step for step in template.steps}
        self._needs = Graph(template.steps).needs

    def due(self, stand: Steps, at_work: AbstractSet[str] = frozenset()) -> Iterator[TemplateStep]:
        """The steps that nothing keeps from beginning, and that have not ended; what is at work is not recorded."""
        for name, needs in self._needs.items():
            if stand[name].status.terminal or name in at_work or not at_work.isdisjoint(needs):
                continue
            if all(self._met(need, stand) for need in needs):
                yield self.steps[name]

    def moot(self, stand: Steps) -> Iterator[str]:
        """The steps that are skipped because one that they need was."""
        gone = {name for name, step in stand.items() if step.status is StepStatus.SKIPPED}
        while True:
            found = [
                name
                for name, needs in self._needs.items()
                if name not in gone and not stand[name].status.terminal and not gone.isdisjoint(needs)
            ]
            if not found:
                return
            gone.update(found)
            yield from found

    def fate(self, stand: Steps) -> Fate | None:
        """How the run ends because of a step that failed; None while none has that it cannot do without."""
        failed = [name for name in self._needs if stand[name].status is StepStatus.FAILED and not self._goes_on(name)]
        if not failed:
            return None
        first = min(failed, key=lambda name: _moment(stand[name]))
        undoing = any(self.steps[name].on_failure is OnFailure.COMPENSATE for name in failed)
        return Fate(RunStatus.FAILED, stand[first].error, undoing)

    def undoings(self, stand: Steps) -> Sequence[tuple[str, TemplateStep]]:
        """What is to be undone and by which step, what was done last first."""
        by = {step.compensates: step for step in self.steps.values() if step.compensates}
        order = list(self.steps)
        done = [
            name
            for name, step in stand.items()
            if name in by and step.status is StepStatus.COMPLETED and not step.compensated
        ]
        done.sort(key=lambda name: (_moment(stand[name]), order.index(name)), reverse=True)
        return [(name, by[name]) for name in done]

    def _goes_on(self, name: str) -> bool:
        return self.steps[name].on_failure is OnFailure.CONTINUE

    def _met(self, need: str, stand: Steps) -> bool:
        status = stand[need].status
        return status is StepStatus.COMPLETED or (status is StepStatus.FAILED and self._goes_on(need))


def _moment(step: RunStep) -> float:
    return step.completed_at.timestamp() if step.completed_at else 0.0

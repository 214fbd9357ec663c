"""Validation: everything that can be said of a source, all at once, and how a run of it would go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from a2a_node.model.workflows import Object, PlannedStep, Problem, Severity, Template
from a2a_node.workflows.agreement import check_agents
from a2a_node.workflows.checking import check
from a2a_node.workflows.expansion import check_expansion
from a2a_node.workflows.plan import Known, planned
from a2a_node.workflows.problems import Problems
from a2a_node.workflows.template import Reading, read_template

NOBODY = Known()


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found: the template where it could be read, its problems in the order of the source, and a plan."""

    template: Template | None
    problems: Sequence[Problem] = ()
    plan: Sequence[PlannedStep] = ()
    lines: Mapping[str, int] = field(default_factory=dict)  # where each step begins

    @property
    def errors(self) -> Sequence[Problem]:
        """What keeps it from being put."""
        return [problem for problem in self.problems if problem.severity is Severity.ERROR]


def validated(source: str, known: Known = NOBODY, inputs: Object | None = None) -> Validation:
    """Look at a source, with what is known of the mesh, and with inputs plan a run; InvalidInput for the inputs."""
    reading = read_template(source)
    if not isinstance(reading, Reading):
        return Validation(None, reading)
    template, problems = reading.template, reading.problems
    check(template, problems)
    _check_mesh(template, known, problems)
    plan: Sequence[PlannedStep] = ()
    if inputs is not None and not problems.errors:
        plan = planned(template, inputs, known, problems)
    return Validation(template, problems.told(), plan, reading.lines)


def _check_mesh(template: Template, known: Known, problems: Problems) -> None:
    if known.agents is not None:
        check_agents(template, known.agents, problems)
    check_expansion(template, known.templates, problems)

"""Workflow templates: which steps there are and what they need, and what can be wrong in their sources.

Texts of `condition`, `foreach` and between `${{` and `}}` are CEL expressions. Spans are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MOST_STEPS = 1_000  # of one template
MOST_ITEMS = 1_000  # of the list that one step goes through
MOST_EXPANDED = 5_000  # steps of a run in all, each item and each step of a sub-workflow counted
MOST_DEEP = 32  # runs of a line, each started by the one before
MOST_PROBLEMS = 100  # that are told of one source
SOURCE_BYTES = 1024 * 1024
LEAST_TIMEOUT, MOST_TIMEOUT = 1.0, 30 * 86_400.0
RUN_TIMEOUT = 86_400.0  # of a run whose template says nothing

Object = Mapping[str, object]


class OnFailure(StrEnum):
    """What the last failed attempt of a step means for its run."""

    FAIL = "fail"  # the run fails
    CONTINUE = "continue"  # the run goes on; later steps can read `steps.<id>.error`
    COMPENSATE = "compensate"  # the run fails, and the steps that compensate completed ones run first


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried: `backoff` before the second attempt, twice as long before each later one."""

    attempts: int = 1
    backoff: float = 1.0
    reasons: tuple[str, ...] = ()  # of the errors that are worth another attempt; none means those that say so


@dataclass(frozen=True, slots=True)
class AgentCall:
    """A capability to call: of the agent, or where that is empty of any agent with the tag that offers it."""

    agent: str = ""
    capability: str = ""  # empty means the agent's only one
    tag: str = ""
    input: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubWorkflow:
    """A template to run, at its newest version, and the inputs of that run."""

    template: str
    input: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody to wait for, who has the permission, and what they are asked."""

    permission: str
    question: str = ""


Work = AgentCall | SubWorkflow | Approval


@dataclass(frozen=True, slots=True)
class TemplateStep:
    """One node of a workflow's graph."""

    id: str
    work: Work
    description: str = ""
    needs: tuple[str, ...] = ()
    condition: str = ""  # empty means always
    foreach: str = ""  # an expression of a list; empty means once
    max_concurrent_items: int = 0  # 0 means no bound but the run's own
    retry: Retry = Retry()
    timeout: float = 0.0  # of each attempt, or of the wait for an approval; 0 means what the run has left
    on_failure: OnFailure = OnFailure.FAIL
    compensates: str = ""  # the step that it undoes


@dataclass(frozen=True, slots=True)
class TemplateInput:
    """One thing that a run is given. `schema` is a JSON Schema; `default` counts where it is not `required`."""

    name: str
    description: str = ""
    schema: Object = field(default_factory=dict)
    required: bool = True
    default: object = None


@dataclass(frozen=True, slots=True)
class Template:
    """What the source of a template says."""

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    inputs: tuple[TemplateInput, ...] = ()
    steps: tuple[TemplateStep, ...] = ()
    output: Object = field(default_factory=dict)  # what a run makes of the outputs of its steps
    timeout: float = RUN_TIMEOUT
    schedule: str = ""  # five fields of cron, in UTC
    max_concurrent_runs: int = 0  # 0 means no bound but the mesh's own

    def step(self, name: str) -> TemplateStep | None:
        """The step of that id, if there is one."""
        return next((step for step in self.steps if step.id == name), None)


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One version of a template as the store has it; lists leave the source out."""

    template: Template  # in lists without steps and output
    version: int
    created_by: str
    created_at: datetime
    source: str = ""


class Severity(StrEnum):
    """How bad a problem is: with errors a template cannot be put."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a source. Lines and columns count from 1; 0 where it is about the whole."""

    rule: str
    message: str
    line: int = 0
    column: int = 0
    step: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.severity}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What a dry run says of one step."""

    step: TemplateStep
    wave: int  # how many steps must be done one after the other before it
    agents: Sequence[str] = ()  # that could do it now
    input: Object = field(default_factory=dict)  # what is not known before the run stays an expression
    skipped: bool = False  # its condition is known to be false
    items: int | None = None  # how many it goes through; None for all others, and where it is not known

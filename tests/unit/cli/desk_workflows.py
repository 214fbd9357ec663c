"""One template and one run of it, of the mesh in memory that commands find."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from a2a_node.client.runs import RunTerms
from a2a_node.client.workflows import Check, PutResult
from a2a_node.model.runs import Decision, Run, RunEvent, RunFilter, RunStatus, Wishes
from a2a_node.model.workflows import Problem, Severity, TemplateVersion
from a2a_node.workflows.validating import NOBODY, validated
from tests.unit.cli.flow.runs import RUN
from tests.unit.workflows.samples import RELEASE, read

THEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
VERSION = TemplateVersion(read(RELEASE), 3, "person:ann", THEN, RELEASE)
WARNING = Problem("unknown-agent", "nobody is there", 12, 5, "fetch", Severity.WARNING)


@dataclass
class Workflows:
    """The template, a node that warns of it, and a run with its events."""

    asked: dict[str, object] = field(default_factory=dict)
    stands: Run = RUN
    events: Sequence[RunEvent] = ()

    async def templates(self, **only: str) -> AsyncIterator[TemplateVersion]:
        """The template."""
        self.asked = dict(only)
        yield VERSION

    async def get(self, name: str, version: int = 0) -> TemplateVersion:
        """The template, whatever is asked for."""
        self.asked = {"name": name, "version": version}
        return VERSION

    async def put(self, source: str, *, expected: int | None = None) -> PutResult:
        """The template, with a warning."""
        self.asked = {"source": source, "expected": expected}
        return PutResult(VERSION, [WARNING])

    async def validate(self, source: str, inputs: Mapping[str, object] | None = None) -> Check:
        """What is known without a mesh, and the warning."""
        found = validated(source, NOBODY, inputs)
        return Check(not found.errors, [*found.problems, WARNING], found.template, found.plan)

    async def plan(self, name: str, inputs: Mapping[str, object]) -> Check:
        """A run of the template."""
        self.asked = {"name": name}
        return await self.validate(RELEASE, inputs)

    async def start(self, template: str, inputs: Mapping[str, object], how: RunTerms) -> Run:
        """The run."""
        self.asked = {"template": template, "inputs": inputs, "how": how}
        return self.stands

    async def run(self, run_id: str, step: str = "") -> Run:
        """The run, or one of its steps."""
        self.asked = {"run": run_id, "step": step}
        return replace(self.stands, steps=[one for one in self.stands.steps if step in {"", one.id}])

    async def runs(self, wanted: RunFilter) -> AsyncIterator[Run]:
        """The run twice, whatever is asked for."""
        self.asked = {"wanted": wanted}
        yield replace(self.stands, steps=())
        yield replace(self.stands, steps=(), status=RunStatus.PENDING, started_at=None)

    async def watch(self, run_id: str, after: int = 0) -> AsyncGenerator[RunEvent, None]:
        """The events after it."""
        self.asked = {"watched": run_id, "after": after}
        for event in self.events:
            if event.sequence > after:
                yield event

    async def cancel(self, run_id: str, reason: str, *, compensate: bool) -> Run:
        """The run, with the wish."""
        self.asked = {"run": run_id, "reason": reason, "compensate": compensate}
        return replace(self.stands, wishes=Wishes(cancelling=True, reason=reason))

    async def pause(self, run_id: str) -> Run:
        """The run, with the wish."""
        self.asked = {"run": run_id}
        return replace(self.stands, wishes=Wishes(pausing=True))

    async def resume(self, run_id: str) -> Run:
        """The run."""
        self.asked = {"run": run_id}
        return self.stands

    async def retry(self, run_id: str, step: str, *, timeout: float | None) -> Run:  # noqa: ASYNC109 - of the run
        """The run, taken up again."""
        self.asked = {"run": run_id, "step": step, "timeout": timeout}
        return replace(self.stands, status=RunStatus.PENDING)

    async def approve(self, run_id: str, step: str, decision: Decision, comment: str) -> Run:
        """The run."""
        self.asked = {"run": run_id, "step": step, "decision": decision, "comment": comment}
        return self.stands

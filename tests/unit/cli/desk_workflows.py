"""One template of the mesh in memory that commands find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from a2a_node.client.workflows import Check, PutResult
from a2a_node.model.workflows import Problem, Severity, TemplateVersion
from a2a_node.workflows.validating import NOBODY, validated
from tests.unit.workflows.samples import RELEASE, read

THEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
VERSION = TemplateVersion(read(RELEASE), 3, "person:ann", THEN, RELEASE)
WARNING = Problem("unknown-agent", "nobody is there", 12, 5, "fetch", Severity.WARNING)


@dataclass
class Workflows:
    """The template, and a node that warns of it."""

    asked: dict[str, object] = field(default_factory=dict)

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

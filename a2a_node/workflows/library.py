"""The library of templates: what is put there was looked at before, and what is asked for is read again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from a2a_node.expressions.fence import ready
from a2a_node.model.errors import InvalidInput, TemplateInvalid, TemplateNotFound
from a2a_node.model.workflow_ports import KnownAgents, Templates
from a2a_node.model.workflows import Object, Problem, SubWorkflow, Template, TemplateVersion
from a2a_node.workflows.expansion import MOST_TEMPLATES, size_of, subs
from a2a_node.workflows.plan import Known, filled, growth
from a2a_node.workflows.template import Reading, read_template
from a2a_node.workflows.validating import Validation, validated

MOST_READ = 256  # versions of which runs began, as they were read


class Library:
    """Templates in the store, and the agents that their steps may call, where these are known."""

    def __init__(self, store: Templates, agents: KnownAgents | None = None) -> None:
        self._store, self._agents = store, agents
        self._read: dict[tuple[str, int], Template] = {}
        self._turn = asyncio.Lock()  # one source at a time: others wait, and calls do not

    async def put(
        self, source: str, by: str, expected: int | None = None, authority: bytes = b""
    ) -> tuple[TemplateVersion, Validation]:
        """Keep a source as the next version; TemplateInvalid when it has errors, VersionConflict.

        By the authority its schedule starts runs; without one it starts none.
        """
        validation = await self.validate(source)
        if validation.template is None or validation.errors:
            raise TemplateInvalid([_violation(problem) for problem in validation.errors])
        kept = await self._store.put(validation.template, source, by, expected, authority)
        return replace(kept, template=validation.template), validation

    async def get(self, name: str, version: int = 0) -> tuple[TemplateVersion, Validation]:
        """A version, the newest for 0, with all that its source says; TemplateNotFound."""
        kept = await self._store.get(name, version)
        reading = await asyncio.to_thread(read_template, kept.source)
        if not isinstance(reading, Reading):  # written by a version of the software that reads more
            return kept, Validation(None, reading)
        return replace(kept, template=reading.template), Validation(reading.template, lines=reading.lines)

    async def start(self, name: str, version: int, inputs: Object) -> tuple[TemplateVersion, Object]:
        """The version that a run is of, and its inputs with defaults filled in.

        TemplateNotFound, TemplateInvalid for one that this software cannot read; InvalidInput for the inputs, also when
        a run with them would grow too large.
        """
        kept = await self._known(await self._store.get(name, version))
        given = filled(kept.template, inputs)
        if _grows(kept.template):
            await self._check_growth(kept.source, given)
        return kept, given

    async def size(self, name: str) -> int:
        """How many steps a run of the newest version comes to at least, those of runs that it starts counted.

        TemplateNotFound, TemplateInvalid.
        """
        kept = await self._known(await self._store.get(name))
        if not _grows(kept.template):
            return len(kept.template.steps)
        await ready()
        async with self._turn:
            known = {**await self._started_by(kept.template), name: kept.template}
            return await asyncio.to_thread(size_of, kept.template, known)

    async def _known(self, kept: TemplateVersion) -> TemplateVersion:
        """A version with all that its source says, read once: many runs begin with the same."""
        key = kept.template.name, kept.version
        if (template := self._read.get(key)) is None:
            reading = await asyncio.to_thread(read_template, kept.source)
            if not isinstance(reading, Reading):  # as in `get`
                raise TemplateInvalid([_violation(problem) for problem in reading])
            if len(self._read) >= MOST_READ:
                self._read.clear()
            self._read[key] = template = reading.template
        return replace(kept, template=template)

    async def _check_growth(self, source: str, inputs: Object) -> None:
        await ready()
        async with self._turn:
            reading = await asyncio.to_thread(read_template, source)
            if isinstance(reading, Reading):
                known = Known(None, _Read(await self._started_by(reading.template)))
                for problem in await asyncio.to_thread(growth, reading, inputs, known):
                    raise InvalidInput("inputs", problem.message)

    async def list(self, tag: str, after: str, limit: int) -> Sequence[TemplateVersion]:
        """The newest version of each template by name, after a name, those with the tag where it is not empty."""
        return await self._store.newest(tag, after, limit)

    async def versions(self, name: str, before: int, limit: int) -> Sequence[TemplateVersion]:
        """The versions of a template, the newest first; TemplateNotFound."""
        found = await self._store.versions(name, before, limit)
        if not found and not before:
            raise TemplateNotFound(name)
        return found

    async def validate(self, source: str, inputs: Object | None = None) -> Validation:
        """Look at a source, and with inputs plan a run; InvalidInput for the inputs."""
        await ready()
        async with self._turn:
            reading = await asyncio.to_thread(read_template, source)
            found = await self._started_by(reading.template) if isinstance(reading, Reading) else {}
            known = Known(self._agents, _Read(found))
            return await asyncio.to_thread(validated, source, known, inputs)

    async def _started_by(self, template: Template) -> Mapping[str, Template]:
        """The templates that runs of one start, one from another, at their newest versions."""
        found: dict[str, Template] = {}
        waiting = [template]
        while waiting:
            for _, work in subs(waiting.pop()):
                if work.template in found or len(found) >= MOST_TEMPLATES:
                    continue
                with suppress(TemplateNotFound):
                    found[work.template] = (await self.get(work.template))[0].template
                    waiting.append(found[work.template])
        return found


def _grows(template: Template) -> bool:
    """Whether runs of a template may come to more steps than it has."""
    return any(step.foreach or isinstance(step.work, SubWorkflow) for step in template.steps)


class _Read:
    """The port `KnownTemplates` on templates that were read beforehand."""

    def __init__(self, found: Mapping[str, Template]) -> None:
        self._found = found

    def template(self, name: str) -> Template | None:
        return self._found.get(name)


def _violation(problem: Problem) -> tuple[str, str]:
    return f"{problem.line}:{problem.column}", f"{problem.message} [{problem.rule}]"

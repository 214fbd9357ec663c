"""Workflows: templates, put, looked at, listed and planned; and runs of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct

from a2a_node.client.connection import Rpc, terms
from a2a_node.client.runs import WorkflowRuns
from a2a_node.model.workflows import PlannedStep, Problem, Template, TemplateVersion
from a2a_node.wire.payloads import from_mapping
from a2a_node.wire.workflows import to_planned, to_problem, to_template, to_version
from a2amesh.v1 import workflow_service_pb2 as pb

_LIST = Rpc("WorkflowService/ListTemplates", pb.ListTemplatesRequest, pb.ListTemplatesResponse)
_GET = Rpc("WorkflowService/GetTemplate", pb.GetTemplateRequest, pb.GetTemplateResponse)
_PUT = Rpc("WorkflowService/PutTemplate", pb.PutTemplateRequest, pb.PutTemplateResponse)
_VALIDATE = Rpc("WorkflowService/ValidateTemplate", pb.ValidateTemplateRequest, pb.ValidateTemplateResponse)


@dataclass(frozen=True, slots=True)
class PutResult:
    """The version that was put, and what may be wrong with it."""

    version: TemplateVersion
    warnings: Sequence[Problem]


@dataclass(frozen=True, slots=True)
class Check:
    """What a node says of a template: whether it could be put, what was found, and with inputs how a run would go."""

    valid: bool
    problems: Sequence[Problem]
    template: Template | None  # None where the source could not be read
    plan: Sequence[PlannedStep]


class Workflows(WorkflowRuns):
    """Templates of workflows, and runs of them."""

    async def templates(self, *, tag: str = "", name: str = "") -> AsyncIterator[TemplateVersion]:
        """The newest version of each template, those with the tag; or with a name all versions of that one.

        Without their sources and steps, fetched page by page. TemplateNotFound for a name that there is not.
        """
        request = pb.ListTemplatesRequest(tag=tag, name=name)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.templates:
                yield to_version(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get(self, name: str, version: int = 0) -> TemplateVersion:
        """All of one version, the newest for 0; TemplateNotFound."""
        request = pb.GetTemplateRequest(name=name, version=version)
        return to_version((await self._connection.ask(_GET, request, terms())).template)

    async def put(self, source: str, *, expected: int | None = None) -> PutResult:
        """Keep a source, YAML or JSON, as the next version of the template that it names; TemplateInvalid.

        VersionConflict when the newest version is not the expected one, 0 being that of a template that is new.
        """
        request = pb.PutTemplateRequest(source=source, expected_version=expected)
        answer = await self._connection.ask(_PUT, request, terms())
        return PutResult(to_version(answer.template), [to_problem(message) for message in answer.warnings])

    async def validate(self, source: str, inputs: Mapping[str, object] | None = None) -> Check:
        """What is wrong with a source, and with inputs how a run would go; InvalidInput for the inputs."""
        return await self._checked(pb.ValidateTemplateRequest(source=source, inputs=_struct(inputs)))

    async def plan(self, name: str, inputs: Mapping[str, object]) -> Check:
        """How a run of the newest version of a template would go; InvalidInput for the inputs, TemplateNotFound."""
        return await self._checked(pb.ValidateTemplateRequest(name=name, inputs=_struct(inputs)))

    async def _checked(self, request: pb.ValidateTemplateRequest) -> Check:
        answer = await self._connection.ask(_VALIDATE, request, terms())
        template = to_template(answer.template) if answer.HasField("template") else None
        plan = [to_planned(step, template) for step in answer.plan] if template else []
        return Check(answer.valid, [to_problem(message) for message in answer.problems], template, plan)


def _struct(inputs: Mapping[str, object] | None) -> Struct | None:
    return None if inputs is None else from_mapping(inputs, "inputs")

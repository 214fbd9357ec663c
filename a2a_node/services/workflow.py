"""WorkflowService: templates, and runs of them."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.mesh.book import Book
from a2a_node.mesh.entries import Wanted
from a2a_node.mesh.warranting import standing_of
from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.workflows import Severity, TemplateVersion
from a2a_node.services.runs import RunRooms, RunRpcs
from a2a_node.wire.payloads import to_mapping
from a2a_node.wire.workflows import from_planned, from_problem, from_template, from_version
from a2a_node.workflows.library import Library
from a2a_node.workflows.validating import Validation
from a2amesh.v1 import workflow_service_pb2 as pb


class DirectoryAgents:
    """The port `KnownAgents` on what the node knows of the registry."""

    def __init__(self, directory: Book) -> None:
        self._directory = directory

    def descriptor(self, agent: str) -> AgentDescriptor | None:
        """What an agent says of itself."""
        return self._directory.find(agent).agent.descriptor if agent in self._directory else None

    def offering(self, capability: str, tag: str) -> Sequence[AgentDescriptor]:
        """The agents that offer a capability and have the tag, by name."""
        found = self._directory.agents(Wanted(tag=tag, capability=capability))
        return [entry.agent.descriptor for entry in found]


class WorkflowService(RunRpcs):
    """Templates of workflows, kept in a library, and their runs."""

    descriptor = pb.DESCRIPTOR.services_by_name["WorkflowService"]

    def __init__(self, library: Library, runs: RunRooms) -> None:
        RunRpcs.__init__(self, runs)
        self._library = library

    async def list_templates(self, request: pb.ListTemplatesRequest, _: Call) -> pb.ListTemplatesResponse:
        """The newest version of each template, or all versions of one."""
        if request.name and request.tag:
            raise InvalidInput("tag", "filters templates, and `name` the versions of one: give one of them")
        size, scope = page_size(request.page_size), repr(("templates", request.tag, request.name))
        after = after_token(scope, request.page_token)
        if request.name:
            found = await self._library.versions(request.name, _version(after), size + 1)
        else:
            found = await self._library.list(request.tag, after, size + 1)
        page = found[:size]
        last = _last(page[-1], versions=bool(request.name)) if len(found) > size else ""
        return pb.ListTemplatesResponse(
            templates=[from_version(version) for version in page],
            next_page_token=page_token(scope, last) if last else "",
        )

    async def get_template(self, request: pb.GetTemplateRequest, _: Call) -> pb.GetTemplateResponse:
        """All of one version."""
        if request.version < 0:
            raise InvalidInput("version", f"{request.version} must not be negative")
        version, read = await self._library.get(_required("name", request.name), request.version)
        return pb.GetTemplateResponse(template=from_version(version, read.lines))

    async def put_template(self, request: pb.PutTemplateRequest, call: Call) -> pb.PutTemplateResponse:
        """Keep the next version of a template."""
        expected = request.expected_version if request.HasField("expected_version") else None
        source = _required("source", request.source)
        version, found = await self._library.put(source, str(call.principal), expected, standing_of(call))
        call.target = f"template:{version.template.name} {version.version}"
        return pb.PutTemplateResponse(
            template=from_version(version, found.lines),
            warnings=[from_problem(problem) for problem in found.problems if problem.severity is Severity.WARNING],
        )

    async def validate_template(self, request: pb.ValidateTemplateRequest, _: Call) -> pb.ValidateTemplateResponse:
        """What is wrong with a template, and how a run would go."""
        source = request.source
        if request.WhichOneof("subject") == "name":
            source = (await self._library.get(_required("name", request.name)))[0].source
        inputs = to_mapping(request.inputs) if request.HasField("inputs") else None
        return _validated(await self._library.validate(_required("source", source), inputs))


def _validated(found: Validation) -> pb.ValidateTemplateResponse:
    return pb.ValidateTemplateResponse(
        valid=not found.errors,
        problems=[from_problem(problem) for problem in found.problems],
        template=from_template(found.template, found.lines) if found.template else None,
        plan=[from_planned(step) for step in found.plan],
    )


def _required(field: str, text: str) -> str:
    if not text:
        raise InvalidInput(field, "is required")
    return text


def _version(text: str) -> int:
    try:
        return int(text or "0")
    except ValueError:
        raise PageTokenInvalid from None


def _last(version: TemplateVersion, *, versions: bool) -> str:
    return str(version.version) if versions else version.template.name

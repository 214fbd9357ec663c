"""WorkflowService: messages in, messages out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings

from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid, TemplateInvalid, TemplateNotFound
from a2a_node.model.workflows import Template
from a2a_node.services.workflow import WorkflowService
from a2a_node.testing import MemoryTemplates
from a2a_node.wire.workflows import from_template, to_planned, to_template
from a2a_node.workflows.library import Library
from a2amesh.v1 import workflow_service_pb2 as pb
from a2amesh.v1 import workflow_template_pb2
from tests.unit.pipeline.test_limits import ANN, nothing
from tests.unit.services.rooms import nothing_granted, run_rooms
from tests.unit.workflows.samples import RELEASE, Agents, of_steps, read, templates


@pytest.fixture
def call() -> Call:
    """What the service is told besides the message."""
    return Call(method="/m", rest=nothing, principal=ANN)


@pytest.fixture
async def service() -> AsyncIterator[WorkflowService]:
    """No template was put, and one agent is there."""
    library = Library(MemoryTemplates(), Agents(AgentDescriptor("git", capabilities=(AgentCapability("clone"),))))
    async with nothing_granted() as decisions:
        yield WorkflowService(library, run_rooms(library, decisions))


async def test_a_template_goes_round_whole(service: WorkflowService, call: Call) -> None:
    """What was put is what is answered; the audit is told which version of what it was."""
    put = await service.put_template(pb.PutTemplateRequest(source=RELEASE, expected_version=0), call)
    assert (put.template.name, put.template.version, put.template.created_by) == ("release", 1, "person:ann")
    assert call.target == "template:release 1"
    assert {warning.rule for warning in put.warnings} == {"unknown-agent", "unknown-template"}
    assert (await service.get_template(pb.GetTemplateRequest(name="release"), call)).template == put.template
    steps = {step.step_id: step for step in put.template.steps}
    assert (steps["fetch"].line, steps["fetch"].call.agent, steps["fetch"].retry.attempts) == (11, "git", 3)
    assert (steps["gate"].approval.question, steps["build"].workflow) == ("Ship it?", "wheel")
    assert steps["ship"].on_failure == workflow_template_pb2.STEP_FAILURE_POLICY_COMPENSATE
    assert put.template.source == RELEASE


@settings(max_examples=25, deadline=None)
@given(templates())
def test_no_word_of_a_template_is_lost_on_the_wire(template: Template) -> None:
    """Any template, there and back; numbers are those of JSON."""
    assert to_template(from_template(template)) == template


async def test_templates_and_versions_are_listed_in_pages(service: WorkflowService, call: Call) -> None:
    """A token continues the list that it came from, and no other."""
    for name in ("a", "b", "c", "b"):
        source = of_steps("s: {agent: git}").replace("name: t", f"name: {name}") + f"# {call.target}\n"
        await service.put_template(pb.PutTemplateRequest(source=source), call)
    first = await service.list_templates(pb.ListTemplatesRequest(page_size=2), call)
    assert [(one.name, one.version, one.source, len(one.steps)) for one in first.templates] == [
        ("a", 1, "", 0),
        ("b", 2, "", 0),
    ]
    token = first.next_page_token
    second = await service.list_templates(pb.ListTemplatesRequest(page_size=2, page_token=token), call)
    assert ([one.name for one in second.templates], second.next_page_token) == (["c"], "")
    versions = await service.list_templates(pb.ListTemplatesRequest(name="b", page_size=1), call)
    assert [one.version for one in versions.templates] == [2]
    rest = await service.list_templates(pb.ListTemplatesRequest(name="b", page_token=versions.next_page_token), call)
    assert [one.version for one in rest.templates] == [1]
    with pytest.raises(PageTokenInvalid):
        await service.list_templates(pb.ListTemplatesRequest(name="b", page_token=token), call)
    with pytest.raises(InvalidInput, match="tag"):
        await service.list_templates(pb.ListTemplatesRequest(name="b", tag="x"), call)


async def test_a_source_is_validated_and_a_run_planned(service: WorkflowService, call: Call) -> None:
    """Without inputs there is no plan, and with errors neither."""
    looked = await service.validate_template(pb.ValidateTemplateRequest(source=RELEASE), call)
    assert (looked.valid, looked.template.name, len(looked.plan)) == (True, "release", 0)
    await service.put_template(pb.PutTemplateRequest(source=RELEASE), call)
    request = pb.ValidateTemplateRequest(name="release")
    request.inputs.update({"repository": "/srv/code"})
    planned = (await service.validate_template(request, call)).plan
    assert [(step.step_id, step.wave) for step in planned][:2] == [("fetch", 0), ("lint", 1)]
    assert (list(planned[0].agents), dict(planned[0].input), planned[0].HasField("items")) == (
        ["git"],
        {"url": "/srv/code"},
        False,
    )
    assert to_planned(planned[1], read(RELEASE)).items == 2
    broken = await service.validate_template(pb.ValidateTemplateRequest(source="name: [", inputs=Struct()), call)
    assert (broken.valid, broken.HasField("template"), broken.problems[0].rule) == (False, False, "unreadable")
    assert (broken.problems[0].line, broken.problems[0].column) == (2, 1)


async def test_what_is_asked_wrongly_is_refused(service: WorkflowService, call: Call) -> None:
    """Each in its own word."""
    with pytest.raises(TemplateInvalid):
        await service.put_template(pb.PutTemplateRequest(source="name: x"), call)
    with pytest.raises(TemplateNotFound):
        await service.get_template(pb.GetTemplateRequest(name="nobody"), call)
    for refused in (
        service.put_template(pb.PutTemplateRequest(), call),
        service.get_template(pb.GetTemplateRequest(), call),
        service.get_template(pb.GetTemplateRequest(name="x", version=-1), call),
        service.validate_template(pb.ValidateTemplateRequest(), call),
    ):
        with pytest.raises(InvalidInput):
            await refused


def test_the_service_has_every_method_of_its_contract(service: WorkflowService) -> None:
    """And no other."""
    served = {method for method in dir(service) if not method.startswith("_") and method != "descriptor"}
    named = {re.sub(r"(?<=[a-z])([A-Z])", r"_\1", method.name).lower() for method in service.descriptor.methods}
    assert served == named

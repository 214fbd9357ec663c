"""The node's own tools: RPCs of its services, by the same requests, permissions and layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from a2a_node.model.errors import InvalidInput, MeshError
from a2a_node.web.mcp.callers import Caller
from a2a_node.web.mcp.catalogue import Own
from a2a_node.web.mcp.results import Result, failed, structured_of
from a2a_node.web.rpcs import Asking, Rpcs

REGISTRY, WORKFLOWS = "/a2amesh.v1.RegistryService", "/a2amesh.v1.WorkflowService"
TEXT, NUMBER, OBJECT = {"type": "string"}, {"type": "integer"}, {"type": "object"}
PAGED: Mapping[str, object] = {
    "page_size": {**NUMBER, "description": "How many to list: 50 when absent, at most 500."},
    "page_token": {**TEXT, "description": "`next_page_token` of the page before."},
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One of the node's tools: its RPC, what it is for, and its arguments, of which the first ones are required."""

    name: str
    rpc: str
    about: str
    arguments: Mapping[str, object]
    required: tuple[str, ...] = ()

    def tool(self) -> Mapping[str, object]:
        """The tool as `tools/list` has it."""
        schema = {"type": "object", "properties": self.arguments, "additionalProperties": False}
        if self.required:
            schema["required"] = list(self.required)
        looks = not self.required or self.name.startswith("mesh_get")
        return {
            "name": self.name,
            "description": self.about,
            "inputSchema": schema,
            "annotations": {"readOnlyHint": looks},
        }


DEEDS = (
    Deed(
        "mesh_list_agents",
        f"{REGISTRY}/ListAgents",
        "List the agents of the mesh, with their capabilities and running instances",
        {**PAGED, "category": TEXT, "tag": TEXT, "capability": TEXT, "node_id": TEXT, "enabled": {"type": "boolean"}},
    ),
    Deed(
        "mesh_list_templates",
        f"{WORKFLOWS}/ListTemplates",
        "List the templates of workflows that can be run",
        {**PAGED, "tag": TEXT, "name": {**TEXT, "description": "Lists the versions of this template alone."}},
    ),
    Deed(
        "mesh_get_template",
        f"{WORKFLOWS}/GetTemplate",
        "Show a template of a workflow: its inputs and its steps",
        {"name": TEXT, "version": {**NUMBER, "description": "Absent means the newest."}},
        ("name",),
    ),
    Deed(
        "mesh_run_workflow",
        f"{WORKFLOWS}/StartRun",
        "Run a workflow from a template; answers at once with the run, whose status mesh_get_run tells",
        {
            "template": TEXT,
            "template_version": NUMBER,
            "inputs": OBJECT,
            "idempotency_key": {**TEXT, "description": "Makes it safe to repeat: the same key starts one run."},
            "name": TEXT,
            "timeout": {**TEXT, "description": "Seconds, such as 90s."},
        },
        ("template",),
    ),
    Deed(
        "mesh_get_run",
        f"{WORKFLOWS}/GetRun",
        "Show how a run of a workflow stands: its status, its steps, its outputs",
        {"run_id": TEXT, "step_id": {**TEXT, "description": "Answers with this step alone, whole."}},
        ("run_id",),
    ),
    Deed(
        "mesh_cancel_run",
        f"{WORKFLOWS}/CancelRun",
        "End a run of a workflow",
        {"run_id": TEXT, "reason": TEXT, "compensate": {"type": "boolean"}},
        ("run_id",),
    ),
)


class Administration:
    """The node's tools by name; `needs` says what each RPC needs."""

    def __init__(self, rpcs: Rpcs, needs: Mapping[str, str]) -> None:
        self._rpcs = rpcs
        self._deeds = {deed.name: deed for deed in DEEDS}
        self.own = [Own(deed.tool(), needs[deed.rpc]) for deed in DEEDS]

    def __contains__(self, tool: str) -> bool:
        return tool in self._deeds

    async def do(
        self, tool: str, caller: Caller, arguments: Mapping[str, object], meta: Mapping[str, object]
    ) -> Result:
        """What came of a tool that the node has."""
        try:
            rpc = self._deeds[tool].rpc
            request = request_of(self._rpcs.methods[rpc], arguments)
            answer = await self._rpcs.ask(rpc, request, Asking(caller.traced(meta), caller.peer))
        except MeshError as failure:
            return failed(failure)
        return structured_of(json_format.MessageToDict(answer, preserving_proto_field_name=True))


def request_of(method: MethodDescriptor, fields: Mapping[str, object]) -> Message:
    """The request that the fields make; InvalidInput says which one is wrong."""
    request = message_factory.GetMessageClass(method.input_type)()
    try:
        return json_format.ParseDict(dict(fields), request)
    except json_format.ParseError as error:
        raise InvalidInput("arguments", str(error)[:300]) from None

"""An example for every operation that can be tried on a fresh node; a test tries them, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Fields = Mapping[str, object]
SESSION = "3f2b8c1e-5d47-4a6b-9e0f-7c1d2a3b4c5d"
TEMPLATE = """\
name: greeting
description: Says hello.
inputs:
  text: {type: string, default: hello}
steps:
  say:
    agent: echo
    capability: say
    input: {text: "${{ inputs.text }}"}
"""
AGENT = {
    "name": "translator",
    "version": "1.0.0",
    "category": "language",
    "capabilities": [{"name": "translate", "description": "Translates a text."}],
}
LIMIT = {"principal": "person:ada", "agent": "echo"}


@dataclass(frozen=True, slots=True)
class Example:
    """What fills the path, the query and the body."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Fields | None = None


def _of(body: Fields | None = None, query: Mapping[str, str] | None = None, **path: str) -> Example:
    return Example(path, query or {}, body)


EXAMPLES: Mapping[str, Example] = {
    "Invoke": _of({"capability": "say", "input": {"struct": {"text": "hello"}}}, agent="echo"),
    "InvokeStream": _of({"capability": "count", "input": {"struct": {"n": 3}}}, agent="echo"),
    "ListAgents": _of(query={"category": "diagnostics"}),
    "GetAgent": _of(agent="echo"),
    "UpdateAgent": _of({"agent": {"enabled": True}, "update_mask": "enabled"}, agent="echo"),
    "RegisterAgent": _of({"agent": AGENT, "address": "127.0.0.1:50061"}),
    "DeregisterAgent": _of(agent="translator"),
    "ListNodes": _of(query={"status": "NODE_STATUS_ALIVE"}),
    "SetValue": _of({"value": {"text": "blue"}, "ttl": "3600s"}, namespace="default", key="colour"),
    "GetValue": _of(namespace="default", key="colour"),
    "IncrementValue": _of({"delta": "2"}, namespace="default", key="visits"),
    "DeleteValue": _of(namespace="default", key="colour"),
    "Publish": _of({"payload": {"text": "tea is ready"}}, namespace="default", topic="kitchen"),
    "CreateSession": _of({"session_id": SESSION, "user_id": "ada", "data": {"step": 1}}),
    "GetSession": _of(session_id=SESSION),
    "UpdateSession": _of({"data": {"step": 2}, "expected_version": "1"}, session_id=SESSION),
    "TouchSession": _of({"ttl": "600s"}, session_id=SESSION),
    "ListSessions": _of(query={"user_id": "ada"}),
    "DeleteSession": _of(session_id=SESSION),
    "Grant": _of({"granted_to": "person:ada", "permission": "agent:echo:invoke", "ttl": "86400s"}),
    "ListGrants": _of(query={"granted_to": "person:ada"}),
    "CheckPermission": _of({"principal": "person:ada", "permission": "agent:echo:invoke"}),
    "RequestPermission": _of({"permission": "workflow:start", "justification": "The release is mine."}),
    "ListRequests": _of(query={"status": "PERMISSION_REQUEST_STATUS_PENDING"}),
    "CreateKey": _of({"principal": "person:ada", "name": "laptop", "permissions": ["agent:echo:invoke"]}),
    "ListKeys": _of(query={"principal": "person:ada"}),
    "IssueToken": _of({"principal": "person:ada", "audience": ["reports"], "ttl": "900s"}),
    "ListFreezes": _of(query={"include_lifted": "true"}),
    "SetLimit": _of({"key": LIMIT, "rate": 50, "burst": "100"}),
    "GetLimit": _of(query={"key.principal": "person:ada", "key.agent": "echo", "key.capability": "say"}),
    "ListLimits": _of(query={"principal": "person:ada"}),
    "ResetLimit": _of({"key": LIMIT}),
    "ValidateTemplate": _of({"source": TEMPLATE, "inputs": {"text": "hi"}}),
    "PutTemplate": _of({"source": TEMPLATE}),
    "ListTemplates": _of(query={"name": "greeting"}),
    "GetTemplate": _of(name="greeting"),
    "StartRun": _of({"template": "greeting", "inputs": {"text": "hi"}, "idempotency_key": "greeting-1"}),
    "ListRuns": _of(query={"template": "greeting"}),
    "AddServer": _of(
        {"server_id": "files", "config": {"stdio": {"command": "mcp-server-files"}}, "start": False, "replace": True}
    ),
    "GetServer": _of(server_id="files"),
    "ListServers": _of(query={"page_size": "10"}),
    "ListTools": _of(query={"query": "read"}),
    "RemoveServer": _of(server_id="files"),
    "ListEvents": _of(query={"filter.action": "agent:*", "page_size": "10"}),
    "VerifyLog": _of({}),
}

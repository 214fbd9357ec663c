"""What the document says of its own: the head, security, failures, and what the node tells of itself."""

from __future__ import annotations

from collections.abc import Mapping

from a2a_node.web.api.schemas import Schema

ABOUT = """\
Every RPC of the mesh as JSON. A request passes the same layers as over gRPC: key, permission, limits, audit, trace,
deadline.

**JSON** is protobuf's own with the contract's names (`page_size`); requests may have camelCase as well. Whole numbers
of 64 bits are texts, bytes base64, spans such as `"90s"`, times RFC 3339. A field that is not known, `null` and a wrong
type are refused.

**Ids in paths** are quoted, a colon included: `a:b/c` is `a%3Ab%2Fc`.

**Streams** are server-sent events. An event's data is one answer of the RPC; its `id` is sent back as `Last-Event-ID`
to go on after it, on any node. The last event is named `end`, or `failure` with an Error. A client that leaves ends the
call, but for a call that is resumable. When the node is about to stop, watches end with the failure `NODE_DRAINING`.

**WebSockets** are the RPCs whose clients stream: a `GET` that is upgraded. A message of text is one request, or one
answer, as JSON; an empty message of the client ends its input. What the path says is left out of the first message. An
RPC that ends well closes the socket with 1000; one that fails says an Error first and closes with 4000 and the HTTP
status of that, or with 1012 when the node is about to stop. A browser shows its key as the subprotocol
`a2amesh.bearer.KEY` beside `a2amesh.v1`, and says a timeout as `a2amesh.timeout.SECONDS`.

**Headers**: `a2a-timeout` is how many seconds a call may take; `a2a-call-token` continues a call's tree; `traceparent`
its trace. Answers carry `a2a-api-version`, and `deprecation`, `sunset` and `link` once an operation goes out of use."""

HEAD: Mapping[str, object] = {
    "openapi": "3.0.3",
    "info": {
        "title": "a2a-node",
        "version": "v1",
        "description": ABOUT,
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"bearer": []}, {"api_key": []}],
}
TAG = {"name": "Node", "description": "What a node says of itself."}
STREAMED = "Each event is one of these."
TALKED = "The WebSocket is open. What the client says is `{}`, what the node says `{}`, a message each."
RESUMED = "The id of the last event that the client has: the stream goes on after it."
HEADERS = {"a2a-api-version": {"description": "The version of the API.", "schema": {"type": "string", "enum": ["v1"]}}}


def _of(code: str) -> Mapping[str, object]:
    return {"$ref": f"#/components/responses/{code}"}


NO_UPGRADE = _of("NoUpgrade")
REFUSALS: Mapping[str, object] = {
    "400": _of("BadRequest"),
    "401": _of("Unauthenticated"),
    "403": _of("Forbidden"),
    "404": _of("NotFound"),
    "429": _of("TooMany"),
    "default": _of("Failed"),
}


def _refusal(about: str, *headers: str) -> Mapping[str, object]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    more = {name: {"schema": {"type": "string"}} for name in headers}
    return {"description": about, "headers": {**HEADERS, **more}, "content": content}


COMPONENTS: Mapping[str, object] = {
    "securitySchemes": {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of the mesh, or a token of the mesh or of an issuer that the node believes.",
        },
        "api_key": {
            "type": "apiKey",
            "in": "header",
            "name": "x-api-key",
            "description": "The same, without `Bearer`.",
        },
    },
    "responses": {
        "BadRequest": _refusal("A field is wrong, or the state of things does not allow it."),
        "Unauthenticated": _refusal("No key was sent, or none that is good.", "www-authenticate"),
        "Forbidden": _refusal("Who asks is known, and may not do this."),
        "NotFound": _refusal("There is no such thing."),
        "TooMany": _refusal("A limit or a budget is used up.", "retry-after"),
        "NoUpgrade": _refusal("It is a WebSocket, and the request asks for none.", "upgrade"),
        "Failed": _refusal("Any other failure; `code` is gRPC's.", "retry-after"),
    },
}


def _text(about: str, **more: object) -> Schema:
    return {"type": "string", "description": about, **more}


def _counts(about: str) -> Schema:
    return {"type": "object", "description": about, "additionalProperties": {"type": "number"}}


def _number(about: str) -> Schema:
    return {"type": "number", "description": about}


def _all(about: str, properties: Mapping[str, Schema], *optional: str) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "description": about, "required": required, "properties": properties}


TIME = _text("When it was told.", format="date-time")
SCHEMAS: Mapping[str, Schema] = {
    "Error": _all(
        "Why something failed.",
        {
            "code": _text("The gRPC code, for example `NOT_FOUND`."),
            "reason": _text("An ErrorReason of the contract without its prefix, for example `AGENT_NOT_FOUND`."),
            "message": _text("What happened, and what to do."),
            "field_violations": {
                "type": "array",
                "description": "The fields at fault, where the input was the cause.",
                "items": {"$ref": "#/components/schemas/FieldViolation"},
            },
            "retry_after": _number("Seconds after which another try may help, where one can."),
        },
        "field_violations",
        "retry_after",
    ),
    "FieldViolation": _all(
        "What is wrong with a field.",
        {"field": _text("Its path, for example `input.text`."), "description": _text("What is wrong with it.")},
    ),
    "Failure": _all("The body of every failure.", {"error": {"$ref": "#/components/schemas/Error"}}),
    "AgentStats": _all(
        "How many agents the mesh has.",
        {
            "total": _number("All."),
            "enabled": _number("Those that may be called."),
            "disabled": _number("Those that are switched off."),
            "categories": _counts("How many of each category; the 100 commonest."),
            "tags": _counts("How many with each tag; the 100 commonest."),
        },
    ),
    "AgentStatus": _all(
        "How the node is, and the agents it knows.",
        {
            "ok": {"type": "boolean", "description": "Whether the node takes calls."},
            "service": _text("What it is: `a2a-node`."),
            "version": _text("The node's version."),
            "time": TIME,
            "agents": {"$ref": "#/components/schemas/AgentStats"},
        },
    ),
    "DashboardMetrics": _all(
        "The node at a glance; `/metrics` has all figures.",
        {
            "node_id": _text("The node that tells."),
            "version": _text("Its version."),
            "time": TIME,
            "ready": {"type": "boolean", "description": "Whether it takes calls."},
            "dependencies": {
                "type": "object",
                "description": "How each thing stands that it depends on.",
                "additionalProperties": {"type": "string"},
            },
            "agents": {"$ref": "#/components/schemas/AgentStats"},
            "instances": _counts("Running copies of agents in the mesh, by kind."),
            "nodes": _counts("Nodes of the mesh, by status."),
            "calls_in_flight": _number("Calls under way that came into the mesh at this node."),
            "agent_load": _counts("Calls that agents work on here, by kind of instance."),
            "attached_agents": _number("Agents that are attached to this node."),
            "open_streams": _counts("RPCs that stream and are open here, by method."),
            "open_websockets": _number("WebSockets that are open here."),
            "workflows": _counts("Runs of the mesh that have not ended, by status."),
            "mcp_servers_running": _number("MCP servers that run here."),
            "audit_queue": _number("Audit events that wait to be written here."),
            "invocations": _number("Calls of agents that have ended here since the node began."),
            "errors": _number("RPCs and calls that failed."),
            "rate_limit_hits": _number("Calls that came faster than their limit."),
        },
    ),
    "Readiness": _all(
        "Whether the node takes calls.",
        {
            "ready": {"type": "boolean"},
            "dependencies": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    ),
}


def _get(name: str, summary: str, schema: Schema, **more: object) -> Mapping[str, object]:
    answer = {"description": summary, "content": {"application/json": {"schema": schema}}}
    operation = {"operationId": name, "tags": [TAG["name"]], "summary": summary}
    return {"get": {**operation, **more, "responses": {"200": answer, **REFUSALS}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ACTION = {
    "name": "action",
    "in": "query",
    "required": True,
    "schema": {"type": "string", "enum": ["status"]},
    "example": "status",
}
NOT_READY = {"description": "It takes no calls.", "content": {"application/json": {"schema": _ref("Readiness")}}}
OPEN: Mapping[str, object] = {"security": []}
PATHS: Mapping[str, object] = {
    "/api/agent": _get(
        "agentStatus", "How the node is, and how many agents there are", _ref("AgentStatus"), parameters=[ACTION]
    ),
    "/api/v1/dashboard": _get("dashboard", "The node at a glance", _ref("DashboardMetrics")),
    "/healthz": {
        "get": {
            "operationId": "alive",
            "tags": ["Node"],
            "summary": "Whether the process lives",
            **OPEN,
            "responses": {
                "200": {
                    "description": "It does.",
                    "content": {"application/json": {"schema": _all("", {"alive": {"type": "boolean"}})}},
                }
            },
        }
    },
    "/readyz": {
        "get": {
            "operationId": "ready",
            "tags": ["Node"],
            "summary": "Whether the node takes calls, and how what it depends on stands",
            **OPEN,
            "responses": {
                "200": {"description": "It does.", "content": NOT_READY["content"]},
                "503": NOT_READY,
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "tags": ["Node"],
            "summary": "All figures, for Prometheus",
            **OPEN,
            "responses": {
                "200": {
                    "description": "The figures.",
                    "content": {
                        "text/plain": {"schema": {"type": "string"}},
                        "application/openmetrics-text": {"schema": {"type": "string"}},
                    },
                }
            },
        }
    },
}

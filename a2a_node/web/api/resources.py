"""Where every RPC stands in the API: a rule, and one small table of what the mesh's things are called in a path.

An RPC is a verb and a noun. The noun says the path, the verb the method:

    ListAgents      GET    /agents                    GetAgent     GET     /agents/{agent}
    RegisterAgent   POST   /agents                    UpdateAgent  PATCH   /agents/{agent}
    SetValue        PUT    /namespaces/{namespace}/values/{key}            DeleteValue  DELETE
    WatchAgents     GET    /agents:watch              WatchRun     GET     /runs/{run_id}:watch
    PauseRun        POST   /runs/{run_id}:pause       any other verb, of one thing or of all of them
    Converse        GET    /agents/{agent}:converse   a WebSocket: the same for a verb whose client streams
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

PREFIX = "/api/v1"
HIDDEN = frozenset(("PeerService",))  # of nodes among themselves


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of thing: the path of all of them, of one, and which field of a request fills each place in that."""

    many: str
    one: str
    fields: Mapping[str, Sequence[str]]  # by the place; the first path of fields that the request has is it


AGENT = ("name", "agent.name", "agent", "open.agent", "hello.agent.name")
RESOURCES: Mapping[str, Resource] = {
    "Agent": Resource("agents", "agents/{agent}", {"agent": AGENT}),
    "Instance": Resource("instances", "instances/{instance_id}", {"instance_id": ("instance_id",)}),
    "Node": Resource("nodes", "nodes/{node_id}", {"node_id": ("node_id",)}),
    "Call": Resource("calls", "calls/{call_id}", {"call_id": ("call_id",)}),
    "Template": Resource("templates", "templates/{name}", {"name": ("name",)}),
    "Run": Resource("runs", "runs/{run_id}", {"run_id": ("run_id",)}),
    "Step": Resource("steps", "runs/{run_id}/steps/{step_id}", {"run_id": ("run_id",), "step_id": ("step_id",)}),
    "Session": Resource("sessions", "sessions/{session_id}", {"session_id": ("session_id",)}),
    "Value": Resource("values", "namespaces/{namespace}/values/{key}", {"namespace": ("namespace",), "key": ("key",)}),
    "Topic": Resource(
        "topics", "namespaces/{namespace}/topics/{topic}", {"namespace": ("namespace",), "topic": ("topic",)}
    ),
    "Grant": Resource("grants", "grants/{grant_id}", {"grant_id": ("grant_id",)}),
    "Permission": Resource("permissions", "permissions", {}),
    "Request": Resource("permission-requests", "permission-requests/{request_id}", {"request_id": ("request_id",)}),
    "Key": Resource("keys", "keys/{key_id}", {"key_id": ("key_id",)}),
    "Token": Resource("tokens", "tokens", {}),
    "Freeze": Resource("freezes", "freezes/{freeze_id}", {"freeze_id": ("freeze_id",)}),
    "Limit": Resource("limits", "limit", {}),  # named by three fields, each of which may be absent
    "Server": Resource("servers", "servers/{server_id}", {"server_id": ("server_id",)}),
    "Tool": Resource("tools", "tools", {}),
    "Event": Resource("events", "events", {}),
}

# RPCs whose names are no verb and one of those nouns, read as if they were; two where one RPC is about two kinds.
READ_AS: Mapping[str, Sequence[str]] = {
    "Invoke": ("InvokeAgent",),
    "InvokeStream": ("InvokeStreamAgent",),
    "Converse": ("ConverseAgent",),
    "Attach": ("AttachAgent",),
    "RenewLease": ("RenewInstance",),
    "DeregisterAgent": ("DeregisterAgent", "DeregisterInstance"),
    "ValidateTemplate": ("ValidateTemplates",),  # its name is one of two ways to say which
    "Publish": ("PublishTopic",),
    "Subscribe": ("WatchTopic",),
    "Grant": ("CreateGrant",),
    "Revoke": ("DeleteGrant",),
    "RevokeKey": ("DeleteKey",),
    "RequestPermission": ("CreateRequest",),
    "IssueToken": ("CreateToken",),
    "Freeze": ("CreateFreeze",),
    "Unfreeze": ("DeleteFreeze",),
    "VerifyLog": ("VerifyEvents",),
    "TapCalls": ("WatchCalls",),
}

CREATES = ("Create", "Register", "Add")
DELETES = ("Delete", "Deregister", "Remove")
METHODS = {"List": "GET", "Get": "GET", "Update": "PATCH", "Set": "PUT", "Put": "PUT"}
METHODS |= dict.fromkeys(CREATES, "POST") | dict.fromkeys(DELETES, "DELETE")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An RPC as HTTP has it; `places` are the fields of the request that the path fills, by their places in it."""

    name: str  # of the operation; the RPC's own but where it has two paths
    rpc: str
    method: str
    path: str
    places: Mapping[str, str]
    descriptor: MethodDescriptor

    @property
    def streams(self) -> bool:
        """Whether it answers with server-sent events."""
        return bool(self.descriptor.server_streaming)

    @property
    def talks(self) -> bool:
        """Whether it is a WebSocket, as its client streams; `places` are then those of the first message."""
        return bool(self.descriptor.client_streaming)

    @property
    def has_body(self) -> bool:
        """Whether its fields stand in a body rather than in the query."""
        return self.method in {"POST", "PUT", "PATCH"}


def endpoints_of(methods: Mapping[str, MethodDescriptor]) -> Sequence[Endpoint]:
    """Those of all RPCs, by their full names, that HTTP can carry; KeyError for a noun that the table does not know."""
    return [endpoint for rpc, method in methods.items() if carried(method) for endpoint in _of(rpc, method)]


def carried(method: MethodDescriptor) -> bool:
    """Whether HTTP carries it: whatever is not between nodes."""
    return method.containing_service.name not in HIDDEN


def _of(rpc: str, method: MethodDescriptor) -> Iterator[Endpoint]:
    names = READ_AS.get(method.name, (method.name,))
    for name in names:
        verb, noun, several = _parted(name)
        yield _endpoint(method.name if name == names[0] else name, rpc, method, (verb, RESOURCES[noun], several))


def _endpoint(name: str, rpc: str, method: MethodDescriptor, read: tuple[str, Resource, bool]) -> Endpoint:
    verb, resource, several = read
    places = _places(resource, method.input_type)
    one = not several and verb not in (*CREATES, "Put") and len(places) == len(resource.fields)
    path, places = (resource.one, places) if one else (resource.many, {})
    if verb in METHODS or (verb == "Start" and not one):
        return Endpoint(name, rpc, METHODS.get(verb, "POST"), f"{PREFIX}/{path}", places, method)
    custom = f"{PREFIX}/{path}:{verb[0].lower()}{verb[1:]}"
    gets = verb == "Watch" or method.client_streaming
    return Endpoint(name, rpc, "GET" if gets else "POST", custom, places, method)


def _parted(name: str) -> tuple[str, str, bool]:
    """The verb, the noun, and whether the noun stands in the plural."""
    for noun in RESOURCES:
        match = re.fullmatch(f"(.+?)({noun})(s?)", name)
        if match is not None:
            return match[1], noun, match[3] == "s"
    raise KeyError(f"{name} is no verb and a noun of RESOURCES; READ_AS says how else to read it")


def _places(resource: Resource, request: Descriptor) -> Mapping[str, str]:
    found = {place: _first(paths, request) for place, paths in resource.fields.items()}
    return {place: path for place, path in found.items() if path}


def _first(paths: Sequence[str], request: Descriptor) -> str:
    return next((path for path in paths if _leads(path, request)), "")


def _leads(path: str, request: Descriptor) -> bool:
    """Whether it is a path to a text."""
    first, _, rest = path.partition(".")
    field = request.fields_by_name.get(first)
    if field is None or field.is_repeated:
        return False
    if rest:
        return field.message_type is not None and _leads(rest, field.message_type)
    return bool(field.type == FieldDescriptor.TYPE_STRING)

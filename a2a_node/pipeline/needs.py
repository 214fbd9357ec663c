"""What every RPC needs: one table. An RPC that does not stand here is not served, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from a2a_node.model.mcp import ASK
from a2a_node.model.proxied import PROXIED
from a2a_node.model.web import ASKED_OF_WEB, LIVE, OPENING

OPEN = "open"  # to everybody, without a key
KNOWN = "known"  # to everybody whose key is good; the service itself looks at the rest
OF_AGENT = "agent:{agent}:invoke"  # the one permission that names what it is about
CALLED = OF_AGENT.partition("{agent}")

SERVICES: Mapping[str, Mapping[str, str]] = {
    "a2amesh.v1.AgentService": {
        "Invoke": OF_AGENT,
        "InvokeStream": OF_AGENT,
        "Converse": OF_AGENT,
        "GetCall": "call:read",
        "CancelCall": "call:cancel",
    },
    "a2amesh.v1.PeerService": {
        "Link": "peer:link",
        "FindCall": "peer:read",
        "EndCall": "peer:cancel",
        "EndLink": "peer:link",
        "Drain": "peer:drain",
        "ReadServerLog": "peer:read",
    },
    "a2amesh.v1.AgentHostService": {"Attach": "registry:write"},
    "a2amesh.v1.RegistryService": {
        "RegisterAgent": "registry:write",
        "RenewLease": "registry:write",
        "DeregisterAgent": "registry:write",
        "UpdateAgent": "registry:write",
        "GetAgent": "registry:read",
        "ListAgents": "registry:read",
        "WatchAgents": "registry:read",
        "ListNodes": "node:read",
        "GetNode": "node:read",
        "DrainNode": "node:drain",
    },
    "a2amesh.v1.WorkflowService": {
        "ListTemplates": "workflow:read",
        "GetTemplate": "workflow:read",
        "PutTemplate": "workflow:write",
        "ValidateTemplate": "workflow:read",
        "StartRun": "workflow:start",
        "GetRun": "workflow:read",
        "ListRuns": "workflow:read",
        "WatchRun": "workflow:read",
        "CancelRun": "workflow:control",
        "PauseRun": "workflow:control",
        "ResumeRun": "workflow:control",
        "RetryRun": "workflow:start",
        "ApproveStep": "workflow:approve",
    },
    "a2amesh.v1.SessionService": {
        "CreateSession": "session:write",
        "GetSession": "session:read",
        "UpdateSession": "session:write",
        "TouchSession": "session:write",
        "DeleteSession": "session:write",
        "ListSessions": "session:read",
    },
    "a2amesh.v1.CacheService": {
        "GetValue": "cache:read",
        "SetValue": "cache:write",
        "DeleteValue": "cache:write",
        "IncrementValue": "cache:write",
        "Publish": "cache:write",
        "Subscribe": "cache:read",
    },
    "a2amesh.v1.AccessService": {
        "Grant": "access:grant",
        "Revoke": "access:revoke",
        "CheckPermission": KNOWN,  # of oneself; of others with access:check
        "ListGrants": "access:read",
        "RequestPermission": KNOWN,  # for oneself
        "DecideRequest": "access:grant",
        "ListRequests": "access:read",
        "CreateKey": "access:key",
        "RevokeKey": "access:key",
        "ListKeys": "access:read",
        "IssueToken": "access:token",
        "Freeze": "access:freeze",
        "Unfreeze": "access:freeze",
        "ListFreezes": "access:read",
    },
    "a2amesh.v1.LimitService": {
        "SetLimit": "limit:write",
        "GetLimit": "limit:read",
        "ListLimits": "limit:read",
        "ResetLimit": "limit:write",
    },
    "a2amesh.v1.ToolService": {
        "AddServer": "tool:write",
        "RemoveServer": "tool:write",
        "StartServer": "tool:control",
        "StopServer": "tool:control",
        "RestartServer": "tool:control",
        "ListServers": "tool:read",
        "GetServer": "tool:read",
        "ListTools": "tool:read",
    },
    "a2amesh.v1.AuditService": dict.fromkeys(("ListEvents", "WatchEvents", "VerifyLog", "TapCalls"), "audit:read"),
    "grpc.health.v1.Health": {"Check": OPEN, "List": OPEN, "Watch": OPEN},
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": OPEN},
    "grpc.reflection.v1.ServerReflection": {"ServerReflectionInfo": OPEN},
    "grpc.channelz.v1.Channelz": dict.fromkeys(
        (
            *("GetTopChannels", "GetServers", "GetServer", "GetServerSockets"),
            *("GetChannel", "GetSubchannel", "GetSocket"),
        ),
        "node:inspect",
    ),
}

NEEDS: Mapping[str, str] = (
    {f"/{service}/{method}": need for service, methods in SERVICES.items() for method, need in methods.items()}
    | {PROXIED: OF_AGENT, ASK: KNOWN, LIVE: KNOWN, OPENING: KNOWN}
    | dict.fromkeys(ASKED_OF_WEB, "registry:read")
)


def permission(need: str, agent: str) -> str:
    """The permission that a need stands for, of the agent that is called."""
    return f"{CALLED[0]}{agent}{CALLED[2]}" if need == OF_AGENT else need

"""What the RPCs that change something are about: a template for each, filled in from its request, for the audit.

Names and ids only; whatever a request carries besides them is a payload, or may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from a2a_node.model.audit import LONGEST
from a2a_node.model.call import Call

SERVICES: Mapping[str, Mapping[str, str]] = {
    "AgentService": {"CancelCall": "call:{0.call_id}"},
    "PeerService": {"EndCall": "call:{0.call_id}", "Drain": ""},  # drained is the node that is asked
    "RegistryService": {
        "RegisterAgent": "agent:{0.agent.name}",
        "DeregisterAgent": "agent:{0.agent} {0.instance_id}",
        "UpdateAgent": "agent:{0.agent.name}",
        "DrainNode": "node:{0.node_id}",
    },
    "WorkflowService": {
        "PutTemplate": "",  # its name is inside of its source
        "StartRun": "template:{0.template}",
        "CancelRun": "run:{0.run_id}",
        "PauseRun": "run:{0.run_id}",
        "ResumeRun": "run:{0.run_id}",
        "RetryRun": "run:{0.run_id} {0.step_id}",
        "ApproveStep": "run:{0.run_id} {0.step_id}",
    },
    "SessionService": {
        "CreateSession": "session:{0.session_id}",
        "UpdateSession": "session:{0.session_id}",
        "DeleteSession": "session:{0.session_id}",
    },
    "CacheService": {
        "SetValue": "value:{0.namespace}/{0.key}",
        "DeleteValue": "value:{0.namespace}/{0.key}",
        "IncrementValue": "value:{0.namespace}/{0.key}",
        "Publish": "topic:{0.namespace}/{0.topic}",
    },
    "AccessService": {
        "Grant": "{0.granted_to} {0.permission}",
        "Revoke": "grant:{0.grant_id}",
        "RequestPermission": "{0.permission}",
        "DecideRequest": "request:{0.request_id}",
        "CreateKey": "{0.principal}",
        "RevokeKey": "key:{0.key_id}",
        "IssueToken": "{0.principal}",
        "Freeze": "{0.target.agent}{0.target.principal}{0.target.root_call_id}",  # one of them is given
        "Unfreeze": "freeze:{0.freeze_id}",
    },
    "LimitService": {
        "SetLimit": "{0.key.principal} agent:{0.key.agent}:{0.key.capability}",
        "ResetLimit": "{0.key.principal} agent:{0.key.agent}:{0.key.capability}",
    },
    "ToolService": dict.fromkeys(
        ("AddServer", "RemoveServer", "StartServer", "StopServer", "RestartServer"), "server:{0.server_id}"
    ),
}


def _telling(template: str) -> Callable[[Message, Call], None]:
    def tell(request: Message, call: Call) -> None:
        call.target = template.format(request)[:LONGEST].strip()

    return tell


TARGETS: Mapping[str, Callable[..., None]] = {
    f"/a2amesh.v1.{service}/{method}": _telling(template)
    for service, methods in SERVICES.items()
    for method, template in methods.items()
}

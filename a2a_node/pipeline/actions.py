"""What RPCs do, in the words of the audit: `resource:action`, made from the table of what they need."""

from __future__ import annotations

import re
from collections.abc import Mapping

from a2a_node.pipeline.needs import KNOWN, NEEDS, OF_AGENT, OPEN

INVOKE = "agent:invoke"
UNKNOWN = "rpc:unknown"  # what nobody serves; callers invent names
LOOKING = ("read", "inspect")  # what a permission ends with that changes nothing
CHANGING = ("RequestPermission",)  # needs no permission, and changes something
KEEPING = ("RenewLease", "TouchSession", "Link", "EndLink")  # keep what is there; calls on a link stand for themselves


def _action(method: str, need: str) -> str:
    """The action: the resource of the need, and the RPC's name without that; `session:create` of CreateSession."""
    if need == OF_AGENT:
        return INVOKE
    service, name = method.strip("/").split("/")
    resource = need.partition(":")[0] if ":" in need else _resource(service)
    words = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower().split("-")
    return f"{resource}:{'-'.join(word for word in words if word != resource) or words[0]}"


def _resource(service: str) -> str:
    return re.sub("Service$", "", service.rpartition(".")[2]).lower()


def _changes(method: str, need: str) -> bool:
    name = method.rpartition("/")[2]
    if need in (OF_AGENT, OPEN) or name in KEEPING:
        return False
    return name in CHANGING if need == KNOWN else need.rpartition(":")[2] not in LOOKING


ACTIONS: Mapping[str, str] = {method: _action(method, need) for method, need in NEEDS.items()}
CHANGES: Mapping[str, str] = {method: ACTIONS[method] for method, need in NEEDS.items() if _changes(method, need)}

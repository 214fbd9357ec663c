"""The words of the audit: every RPC has an action, and those that change something are known."""

from __future__ import annotations

import importlib

from a2a_node.model.permissions import checked_permission
from a2a_node.pipeline.actions import ACTIONS, CHANGES, INVOKE
from a2a_node.pipeline.needs import NEEDS
from a2a_node.services.targets import SERVICES, TARGETS

LOOKS = (
    "Ask",
    "Get",
    "Find",
    "List",
    "Watch",
    "Check",
    "Verify",
    "Tap",
    "Validate",
    "Subscribe",
    "ServerReflection",
    "Read",
)


def test_every_rpc_has_an_action() -> None:
    """Of the form `resource:action`, without the resource's name in it twice."""
    assert ACTIONS.keys() == NEEDS.keys()
    for action in ACTIONS.values():
        assert checked_permission("action", action, exact=True) == action
    assert ACTIONS["/a2amesh.v1.SessionService/CreateSession"] == "session:create"
    assert ACTIONS["/a2amesh.v1.AccessService/Grant"] == "access:grant"
    assert ACTIONS["/a2amesh.v1.AgentService/Converse"] == INVOKE


def test_what_only_looks_or_keeps_alive_is_no_change() -> None:
    """All else is, unless it calls an agent."""
    for method, action in ACTIONS.items():
        name = method.rpartition("/")[2]
        looks = name.startswith(LOOKS) or name in ("RenewLease", "TouchSession", "Link", "EndLink") or action == INVOKE
        assert (method in CHANGES) is not looks, method


def test_every_change_names_what_it_is_about() -> None:
    """By fields that its request has; a stream says it by itself."""
    named = {method for method in CHANGES if not method.endswith("/Attach")}
    assert TARGETS.keys() == named
    for service, methods in SERVICES.items():
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in service).lstrip("_")
        module = importlib.import_module(f"a2amesh.v1.{words}_pb2")
        for name, template in methods.items():
            method = module.DESCRIPTOR.services_by_name[service].methods_by_name[name]
            empty = getattr(module, method.input_type.name)()
            assert isinstance(template.format(empty), str)

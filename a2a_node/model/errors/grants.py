"""Failures of permissions, grants, requests for them, and keys."""

from __future__ import annotations

from a2a_node.model.errors.base import MeshError


class PermissionDenied(MeshError):
    """The caller is known and may not do this."""

    code, reason = "PERMISSION_DENIED", "PERMISSION_DENIED"

    def __init__(self, principal: str, permission: str, why: str = "") -> None:
        hint = f"ask for it with `a2a-node grants request {permission}`"
        super().__init__(
            f"{principal} has no permission {permission!r}: {why or hint}", principal=principal, permission=permission
        )


class GrantTooWide(PermissionDenied):
    """What is handed on is not narrower than what its giver has."""

    def __init__(self, giver: str, permission: str, why: str) -> None:
        MeshError.__init__(
            self, f"{giver} cannot hand on {permission!r}: {why}", principal=giver, permission=permission
        )


class GrantNotFound(MeshError):
    """No grant of that id exists."""

    code, reason = "NOT_FOUND", "GRANT_NOT_FOUND"

    def __init__(self, grant: str) -> None:
        super().__init__(f"no grant {grant!r}; `a2a-node grants --all` lists those that there were", grant=grant)


class RequestNotFound(MeshError):
    """No request for a permission of that id exists."""

    code, reason = "NOT_FOUND", "REQUEST_NOT_FOUND"

    def __init__(self, request: str) -> None:
        super().__init__(f"no request {request!r}; `a2a-node grants requests` lists them", request=request)


class RequestDecided(MeshError):
    """The request was decided before, or has expired."""

    code, reason = "FAILED_PRECONDITION", "REQUEST_DECIDED"

    def __init__(self, request: str, status: str) -> None:
        super().__init__(
            f"request {request!r} is {status} already; whoever still needs it asks anew", request=request, status=status
        )


class KeyNotFound(MeshError):
    """No API key of that id exists."""

    code, reason = "NOT_FOUND", "KEY_NOT_FOUND"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key {key_id!r}; `a2a-node keys --all` lists those that there were", key=key_id)


class Frozen(MeshError):
    """The agent, a principal in whose name the call is made, or its tree is frozen."""

    code, reason = "PERMISSION_DENIED", "FROZEN"

    def __init__(self, target: str, why: str, freeze: str) -> None:
        super().__init__(
            f"{target} is frozen: {why}; `a2a-node freezes` lists freezes", target=target, why=why, freeze=freeze
        )


class FreezeNotFound(MeshError):
    """No freeze of that id was ever made."""

    code, reason = "NOT_FOUND", "FREEZE_NOT_FOUND"

    def __init__(self, freeze: str) -> None:
        super().__init__(f"no freeze {freeze!r}; `a2a-node freezes --all` lists all of them", freeze=freeze)

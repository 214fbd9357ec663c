"""Failures of nodes, leases and stores."""

from __future__ import annotations

from a2a_node.model.errors.base import MeshError


class NodeNotFound(MeshError):
    """No node of that id is registered."""

    code, reason = "NOT_FOUND", "NODE_NOT_FOUND"

    def __init__(self, node: str) -> None:
        super().__init__(f"no node {node!r} is registered; `a2a-node nodes` lists them", node=node)


class InstanceNotFound(MeshError):
    """No instance of that id is registered."""

    code, reason = "NOT_FOUND", "INSTANCE_NOT_FOUND"

    def __init__(self, instance: str) -> None:
        super().__init__(f"no instance {instance!r} is registered; register again", instance=instance)


class LeaseEnded(MeshError):
    """The lease ended before it was renewed."""

    code, reason = "FAILED_PRECONDITION", "LEASE_ENDED"

    def __init__(self, instance: str) -> None:
        super().__init__(f"the lease of instance {instance!r} has ended; register again", instance=instance)


class NodeDraining(MeshError):
    """The node takes no new work."""

    code, reason, retryable, retry_after = "UNAVAILABLE", "NODE_DRAINING", True, 1.0

    def __init__(self, node: str) -> None:
        super().__init__(f"node {node!r} is about to stop and takes no new work; ask another", node=node)


class StoreUnavailable(MeshError):
    """Postgres or Redis is away."""

    code, reason, retryable, retry_after = "UNAVAILABLE", "STORE_UNAVAILABLE", True, 1.0

    def __init__(self, store: str) -> None:
        super().__init__(f"{store} is away; the request may not have been carried out, ask again later", store=store)


class NodeUnreachable(MeshError):
    """No connection to the node, or it was lost; made by clients."""

    code, reason, retryable, retry_after = "UNAVAILABLE", "NODE_UNREACHABLE", True, 0.5

    def __init__(self, address: str) -> None:
        super().__init__(f"no node answers at {address}; is it running? `a2a-node up` starts one", address=address)


class NodeLost(MeshError):
    """The node that held a call died, or was cut off from the store that keeps the call's events."""

    code, reason, retryable, retry_after = "UNAVAILABLE", "NODE_LOST", True, 0.5

    def __init__(self, call: str) -> None:
        super().__init__(
            f"the node that held call {call!r} was lost, and the call with it; begin it again if that is safe",
            call=call,
        )

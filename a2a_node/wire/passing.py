"""Which metadata passes through with a call to a gRPC service of an agent's own, and which concerns one hop alone.

The caller's key never reaches an agent. What begins with `a2a-` is between nodes, their clients and agents at work, and
the trace is the node's own continued; so these are said anew on each hop, and never passed on.
"""

from __future__ import annotations

from a2a_node.model.proxied import Entries
from a2a_node.model.trace import BAGGAGE, TRACEPARENT, TRACESTATE

OURS = "a2a-"
SAID_ANEW = frozenset((TRACEPARENT, TRACESTATE, BAGGAGE))
SECRET = frozenset(("authorization", "proxy-authorization"))
OF_ONE_HOP = frozenset(
    (
        *("connection", "content-length", "content-type", "host", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "user-agent", "grpc-accept-encoding", "grpc-encoding", "grpc-message"),
        *("grpc-status", "grpc-timeout"),
    )
)
KEPT_BACK = SAID_ANEW | SECRET | OF_ONE_HOP


def onward(entries: Entries) -> Entries:
    """What a client says to the agent, in its order, names that come several times among it."""
    return [entry for entry in entries if entry[0] not in KEPT_BACK and not entry[0].startswith(OURS)]


def back(entries: Entries) -> Entries:
    """What an agent says to the client, the details of its status among it."""
    return [entry for entry in entries if entry[0] not in OF_ONE_HOP and not entry[0].startswith(OURS)]

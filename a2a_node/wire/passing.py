"""Which metadata passes through with a call to a gRPC service of an agent's own, and which concerns one hop alone.

The caller's key never reaches an agent. What begins with `a2a-` is between nodes, their clients and agents at work, and
the trace is the node's own continued; so these are said anew on each hop, and never passed on.
"""

from __future__ import annotations

from a2a_node.model.errors import AgentEnded, MeshError
from a2a_node.model.proxied import Entries
from a2a_node.model.trace import BAGGAGE, TRACEPARENT, TRACESTATE
from a2a_node.wire.errors import from_status
from a2amesh.v1 import peer_service_pb2 as pb

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


def to_link(entries: Entries) -> pb.LinkMetadata:
    """The message of metadata."""
    return pb.LinkMetadata(
        entries=[
            pb.LinkMetadataEntry(name=name, value=value if isinstance(value, bytes) else value.encode())
            for name, value in entries
        ]
    )


def from_link(message: pb.LinkMetadata) -> Entries:
    """The metadata of a message."""
    return [
        (entry.name, entry.value if entry.name.endswith("-bin") else entry.value.decode(errors="replace"))
        for entry in message.entries
    ]


def from_fail(fail: pb.LinkFail) -> MeshError:
    """The failure that another node tells: its own, or the status that the agent has ended a call with."""
    error = from_status(fail.code, fail.message, fail.details)
    if not fail.HasField("trailing"):
        return error
    return AgentEnded(error.code, error.message, error.reason, from_link(fail.trailing))

"""What became of a call to an endpoint, from the status that its RPC ended with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import monotonic

import grpc
import structlog

from a2a_node.model.agents import Instance
from a2a_node.model.call import Call
from a2a_node.model.errors import (
    AgentEnded,
    AgentFailed,
    AgentLost,
    AgentRefused,
    DeadlineExceeded,
    MeshError,
    PayloadTooLarge,
)
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2a_node.wire.passing import back

log = structlog.get_logger()
SIZES = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")  # how gRPC itself names both numbers
UNCONNECTED = "failed to connect to all addresses"
REMOVED = "Stream removed ("  # what follows is what befell the connection
NEARLY = 0.1  # seconds; two clocks measure one deadline
TEXT = 500


@dataclass(frozen=True, slots=True)
class Status:
    """How an RPC ended: the code by name, the message, and the serialised details where there are any."""

    code: str
    message: str = ""
    details: bytes | None = None

    @property
    def unconnected(self) -> bool:
        """Whether no connection was made, so that nobody has heard of the call; gRPC says it in its message alone."""
        return self.code == "UNAVAILABLE" and self.details is None and self.message.startswith(UNCONNECTED)


def status_of(failure: grpc.aio.AioRpcError) -> Status:
    """The status of a failed RPC."""
    details = dict(failure.trailing_metadata() or ()).get(DETAILS_KEY)
    return Status(failure.code().name, failure.details() or "", details if isinstance(details, bytes) else None)


def fault(status: Status, call: Call, instance: Instance) -> MeshError:
    """The failure in the mesh's words: what the agent named itself passes on, the rest is named by its code."""
    error = from_status(status.code, status.message, status.details)
    if error.reason != status.code:
        return error
    if status.code == "UNAVAILABLE":
        return AgentLost(call.agent, instance.id)
    if status.code in ("UNKNOWN", "INTERNAL"):
        log.warning("endpoint failed", agent=call.agent, instance=instance.id, text=status.message[:TEXT])
        return AgentFailed(call.agent, call.capability)
    return _over(status, call) or _oversize(status) or _refusal(status, call, error)


def ended(failure: grpc.aio.AioRpcError, call: Call, instance: Instance, *, connected: bool) -> MeshError:
    """The failure of a call that was passed through: the agent's own status as it is, or that it was not reached.

    gRPC tells a lost connection only by its own words; so what says UNAVAILABLE and nothing more, in those words or
    while the line is not `connected` any more, is none of the agent's. A line may still seem to be, or be so again.
    """
    status, trailing = status_of(failure), tuple(failure.trailing_metadata() or ())
    cut = status.code == "UNAVAILABLE" and not trailing and (not connected or status.message.startswith(REMOVED))
    if status.unconnected or cut:
        return AgentLost(call.agent, instance.id)
    named = from_status(status.code, status.message, status.details).reason
    reason = AgentRefused.reason if named == status.code else named
    return _over(status, call) or AgentEnded(status.code, status.message, reason, back(trailing))


def _over(status: Status, call: Call) -> MeshError | None:
    """The call's own deadline; an agent may also pass on that of somebody it asked."""
    envelope = call.envelope
    if status.code != "DEADLINE_EXCEEDED" or envelope is None or envelope.time_left(monotonic()) > NEARLY:
        return None
    return DeadlineExceeded(envelope.allowance)


def _oversize(status: Status) -> MeshError | None:
    sizes = SIZES.search(status.message) if status.code == "RESOURCE_EXHAUSTED" else None
    return PayloadTooLarge(int(sizes[1]), int(sizes[2])) if sizes else None


def _refusal(status: Status, call: Call, error: MeshError) -> MeshError:
    if status.details is not None:
        return error
    return AgentRefused(status.message or f"agent {call.agent!r} refused without a word", code=status.code)

"""An RPC and its call: the one becomes the other on its way in, and ends as it ended."""

from __future__ import annotations

import grpc
import structlog

from a2a_node.core.rpc import Rpc
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import AgentEnded, InternalError, MeshError
from a2a_node.pipeline.facts import trace_of
from a2a_node.wire.errors import DETAILS_KEY, to_details

log = structlog.get_logger()


class Aborted(MeshError):
    """A standard service has ended its RPC with a status of its own; the layers see it as any other failure."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = self.reason = code.name


def opened(rpc: Rpc, rest: Proceed, *, endless: bool = False) -> Call:
    """The call of an RPC that has just arrived."""
    return Call(
        method=rpc.method,
        rest=rest,
        metadata=dict(rpc.metadata),  # type: ignore[arg-type]  # binary entries are nobody's yet
        peer_of=rpc.peer,
        identities_of=rpc.identities,
        door=rpc.door,
        time_left=rpc.time_left,
        endless=endless,
    )


def refusing(failure: MeshError) -> Proceed:
    """What is done for a call that is known to be wrong: this is said once the layers know who asks."""

    async def rest(_: Call) -> None:
        raise failure

    return rest


def refuse(rpc: Rpc, call: Call, failure: Exception) -> None:
    """End the RPC with the failure's own status; what nobody named is logged and leaves as INTERNAL."""
    if not isinstance(failure, MeshError):
        log.error("unexpected failure", method=call.method, call_id=call.id, trace_id=trace_of(call), exc_info=failure)
        failure = InternalError()
    code: int = grpc.StatusCode[failure.code].value[0]
    if isinstance(failure, AgentEnded):
        rpc.end(code, failure.message, failure.trailing)
        return
    trailing = None if isinstance(failure, Aborted) else ((DETAILS_KEY, to_details(failure)),)
    rpc.end(code, failure.message, trailing)

"""PeerService: what the nodes of one mesh offer each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.arriving import Frames, Write
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.drains import LONGEST_WAIT, Here
from a2a_node.mesh.work import Peer
from a2a_node.model.call import Call
from a2a_node.model.call_ids import CallIds
from a2a_node.model.errors import CallNotFound, InvalidInput
from a2a_node.model.names import checked_text, checked_uuid
from a2a_node.model.server_checks import checked_server_id
from a2a_node.wire.agents import seconds
from a2a_node.wire.calls import from_record
from a2amesh.v1 import peer_service_pb2 as pb

MOST_CALLS = 100_000  # of a link
Log = Callable[[str, int], Sequence[str]]


class PeerService:
    """Takes the calls of other nodes, and answers what is known of calls here."""

    descriptor = pb.DESCRIPTOR.services_by_name["PeerService"]

    def __init__(self, arrivals: Arrivals, calls: Calls, ids: CallIds, drain: Here, log: Log) -> None:
        """`log` reads what an MCP server of this node wrote last, by its id and how many lines."""
        self._arrivals, self._calls, self._ids = arrivals, calls, ids
        self._drain, self._log = drain, log

    async def link(
        self,
        requests: Frames,
        call: Call,
        write: Write,
    ) -> None:
        """Many calls over one stream."""
        await self._arrivals.serve(requests, write, Peer(call.principal, call.peer_of, tuple(call.identities_of())))

    async def find_call(self, request: pb.FindCallRequest, _: Call) -> pb.FindCallResponse:
        """How a call stands that is known here."""
        call_id = checked_uuid("call_id", request.call_id)
        try:
            record = self._calls.get(call_id)
        except CallNotFound:
            return pb.FindCallResponse(lost=self._ids.outlived(_made(request)))
        return pb.FindCallResponse(call=from_record(record), carried=record.carried)

    async def end_call(self, request: pb.EndCallRequest, _: Call) -> pb.EndCallResponse:
        """End a call that is known here."""
        call_id = checked_uuid("call_id", request.call_id)
        try:
            record = await self._calls.cancel(call_id, checked_text("reason", request.reason, 500))
        except CallNotFound:
            return pb.EndCallResponse(lost=self._ids.outlived(_made(request)))
        return pb.EndCallResponse(call=from_record(record), carried=record.carried)

    async def end_link(self, request: pb.EndLinkRequest, call: Call) -> pb.EndLinkResponse:
        """End a link that is broken for the node that asks."""
        if len(request.calls) > MOST_CALLS:
            raise InvalidInput("calls", f"at most {MOST_CALLS} may be asked about")
        told = await self._arrivals.told(checked_uuid("link_id", request.link_id), call.principal, request.calls)
        return pb.EndLinkResponse(unbegun=told.unbegun, continued=told.continued)

    async def drain(self, request: pb.DrainRequest, _: Call) -> pb.DrainResponse:
        """Take no new work."""
        timeout = seconds(request.timeout) if request.HasField("timeout") else None
        progress = await self._drain(timeout, min(seconds(request.wait), LONGEST_WAIT))
        return pb.DrainResponse(running_calls=progress.running, drained=progress.drained, looked=not progress.begun)

    async def read_server_log(self, request: pb.ReadServerLogRequest, _: Call) -> pb.ReadServerLogResponse:
        """What an MCP server of this node wrote last."""
        server_id = checked_server_id("server_id", request.server_id)
        return pb.ReadServerLogResponse(lines=self._log(server_id, max(0, request.lines)))


def _made(request: pb.FindCallRequest | pb.EndCallRequest) -> str:
    """The id that a node has made for the call."""
    return checked_uuid("made_id", request.made_id) if request.made_id else checked_uuid("call_id", request.call_id)

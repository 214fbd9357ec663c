"""One call on a stream that carries many: what the other end says of it, checked against the rules of the stream."""

from __future__ import annotations

import asyncio
from collections import deque

from a2a_node.model.budget import Spending
from a2a_node.model.errors import AgentProtocol, InvalidInput, MeshError
from a2a_node.wire.errors import from_call_error
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import payload_pb2, peer_service_pb2

End = pb.AttachEnd | peer_service_pb2.LinkEnd


class Flight:
    """Fed by the stream's reader, drained by the call's own task; at most `ahead` outputs wait in between."""

    __slots__ = (
        *("_agent", "_ahead", "_allowed", "_credit", "_failure", "_inputs"),
        *("_news", "_outputs", "_over", "_spending", "_streams", "_taken"),
        *("begun", "finished", "first", "keeps", "last", "unstarted"),
    )

    def __init__(self, agent: str, spending: Spending | None, *, streams: bool, ahead: int, inputs: int) -> None:
        """`streams`: any number of outputs, rather than one; `inputs`: how many the agent takes ahead."""
        self._agent, self._spending, self._streams, self._ahead = agent, spending, streams, ahead
        self._credit = ahead if streams else 1
        self._taken = 0  # outputs since credit was last given
        self._inputs = inputs
        self._outputs: deque[payload_pb2.Payload] = deque()
        self._over = False
        self._failure: MeshError | None = None
        self._news, self._allowed = Signal(), Signal()
        self.begun = False  # the agent has been told of it
        self.keeps = False  # outputs count as taken once they are kept
        self.unstarted = False  # the other end says that nobody has begun to work on it
        self.first: peer_service_pb2.LinkMetadata | None = None  # what an agent says first where it is passed through
        self.last: peer_service_pb2.LinkMetadata | None = None  # and last
        self.finished = False  # by the agent's own word, so that it need not be told to stop

    def hear(self, kind: str, frame: pb.AttachRequest) -> None:
        """Take in a frame of the agent; one that breaks the rules ends the call with AgentProtocol."""
        if kind == "end":
            self.end(frame.end)
        elif kind == "output":
            self.add(frame.output)
        elif kind == "fail":
            self.finish(from_call_error(frame.fail))
        elif kind == "used":
            self._spend(frame.used)
        else:
            self.allow(frame.credit)

    def allow(self, inputs: int) -> None:
        """The other end takes so many more inputs."""
        self._inputs += inputs
        self._allowed.set()

    def add(self, output: payload_pb2.Payload) -> None:
        """Take in an output; one beyond what was allowed ends the call with AgentProtocol."""
        if self._over:
            return
        if not self._credit:
            beyond = f"an output beyond its credit of {self._ahead}" if self._streams else "two outputs to a unary call"
            self.abort(AgentProtocol(self._agent, f"it gave {beyond}"))
            return
        self._credit -= 1
        self._outputs.append(output)
        self._news.set()

    def end(self, end: End) -> None:
        """The call has succeeded, perhaps with a last output."""
        if self._over:
            return
        if end.HasField("output"):
            if self._streams:
                self._credit += 1  # an end needs none
            self.add(end.output)
        if not self._streams and self._credit:
            self.finish(AgentProtocol(self._agent, "it ended a unary call without an output"))
        else:
            self.finish(None)

    def finish(self, failure: MeshError | None) -> None:
        """The other end says that the call is over, after all that it has said before."""
        self.finished = True
        if not self._over:
            self._over, self._failure = True, failure
            self._news.set()

    def abort(self, failure: MeshError) -> None:
        """End the call at once, whatever the agent has said and nobody has taken."""
        if not self._over:
            self._outputs.clear()
            self._over, self._failure = True, failure
            self._news.set()

    def head(self, first: peer_service_pb2.LinkMetadata) -> None:
        """Take in what the agent says before its outputs."""
        self.first = first
        self._news.set()

    async def headed(self) -> peer_service_pb2.LinkMetadata | None:
        """What the agent says before its outputs; None when it says nothing, or the call is over."""
        while self.first is None and not (self._outputs or self._over):
            await self._news.wait()
        return self.first

    async def next(self) -> payload_pb2.Payload | None:
        """The next output, None after the last one; raises what the call failed with."""
        while not self._outputs:
            if self._failure is not None:
                raise self._failure
            if self._over:
                return None
            await self._news.wait()
        return self._outputs.popleft()

    def taken(self) -> int:
        """Note that an output has reached the caller; how much credit to give the agent now, mostly none."""
        self._taken += 1
        if self._over or not self._streams or 2 * self._taken < self._ahead:
            return 0
        more, self._taken = self._taken, 0
        self._credit += more
        return more

    async def allowed(self) -> None:
        """Wait until one more input may be sent."""
        while not self._inputs:
            await self._allowed.wait()
        self._inputs -= 1

    def _spend(self, used: pb.AttachUsed) -> None:
        if self._over or self._spending is None:
            return
        try:
            for unit, amount in used.units.items():
                self._spending.spend(unit, amount)
        except InvalidInput as fault:
            self.abort(AgentProtocol(self._agent, str(fault)))


class Signal:
    """Wakes the one task that waits for something to change; whoever waits looks again, for it may be nothing."""

    __slots__ = ("_waiter",)

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Something has changed."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for the next change."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

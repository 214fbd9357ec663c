"""One call at work: its inputs as they come, its outputs as far as credit goes, and exactly one end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from a2a_node.agent import Agent, Context
from a2a_node.agent.running import left_by
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Once
from a2a_node.model.errors import AgentFailed, AgentProtocol, CallCancelled, InvalidInput, MeshError
from a2a_node.model.payload import Payload
from a2a_node.model.trace import BAGGAGE, TRACEPARENT, TRACESTATE
from a2a_node.tracing.work import working
from a2a_node.wire.errors import to_call_error
from a2a_node.wire.outbox import Outbox
from a2a_node.wire.payloads import check_size, from_payload, to_payload
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import payload_pb2

Timely = Callable[[], Awaitable[None]]  # waits until work that was asked for may begin
REPORTING = 32  # frames that wait, up to which one more may report what was spent


@dataclass(frozen=True, slots=True)
class Bounds:
    """What both sides agreed on."""

    outputs: int  # that may be sent ahead
    inputs: int  # that may come ahead
    payload: int  # bytes of one output


class Work:
    """Runs a capability for one call; fed by the stream's reader, answers into the stream's outbox."""

    def __init__(
        self, context: Context, capability: AgentCapability, out: Outbox[pb.AttachRequest], bounds: Bounds
    ) -> None:
        self._context, self._capability, self._out, self._bounds = context, capability, out, bounds
        self._credit = asyncio.Semaphore(bounds.outputs)
        self._inputs: asyncio.Queue[Payload | None] = asyncio.Queue(bounds.inputs + 1)
        self._output: payload_pb2.Payload | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = self._ended = False
        if context.spending is not None:
            context.spending.told = partial(_soon, asyncio.get_running_loop(), self._report)

    def begin(self, agent: Agent, start: pb.AttachStart, timely: Timely) -> asyncio.Task[None]:
        """Begin, once it is `timely`; the task is whoever's calls this."""
        requests = self._heard() if self._capability.streams_input else Once(to_payload(start.input))
        said = {TRACEPARENT: start.traceparent, TRACESTATE: start.tracestate, BAGGAGE: start.baggage}
        self._task = asyncio.create_task(self._run(agent, requests, said, timely))
        return self._task

    def stop(self) -> None:
        """Nobody waits for the call any more: cancel it."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    def hear(self, payload: Payload | None) -> None:
        """Take in an input, or the end of the inputs; InvalidInput beyond what was allowed."""
        try:
            self._inputs.put_nowait(payload)
        except asyncio.QueueFull:
            raise InvalidInput("input", f"the node sent more than {self._bounds.inputs} ahead") from None

    def allow(self, outputs: int) -> None:
        """Take in credit for more outputs."""
        for _ in range(outputs):
            self._credit.release()

    def ended(self) -> None:
        """The task has ended: unless it said so itself, say it once no thread works for the call any more."""
        left = left_by(self._context)
        if left is None:
            self._end_cancelled()
        else:
            left.add_done_callback(lambda _: self._end_cancelled())

    def _end_cancelled(self) -> None:
        """End a call that was cancelled, by the node or, while its caller waits for an end, by the agent itself."""
        if not self._ended:
            call_id, agent, capability = self._context.call_id, self._context.agent, self._capability.name
            failure = CallCancelled(call_id, "it has stopped") if self._stopped else AgentFailed(agent, capability)
            self._out.push(pb.AttachRequest(call_id=call_id, fail=to_call_error(failure)))

    async def _run(
        self, agent: Agent, requests: AsyncIterator[Payload], said: Mapping[str, str], timely: Timely
    ) -> None:
        call_id, name = self._context.call_id, self._capability.name
        try:
            try:
                await timely()
                with working(agent.name, name, call_id, said):
                    await agent.serve(name, self._context, requests, self._reply)
            finally:
                self._report(last=True)
        except MeshError as failure:
            await self._out.put(pb.AttachRequest(call_id=call_id, fail=to_call_error(failure)))
        else:
            await self._out.put(pb.AttachRequest(call_id=call_id, end=pb.AttachEnd(output=self._output)))
        self._ended = True

    def _report(self, *, last: bool = False) -> None:
        """Tell the node what was spent; while many frames wait, that can wait, too, until the last moment."""
        spending = self._context.spending
        if spending is not None and (last or len(self._out) < REPORTING) and (spent := spending.take()):
            self._out.push(pb.AttachRequest(call_id=self._context.call_id, used=pb.AttachUsed(units=spent)))

    async def _reply(self, payload: Payload) -> None:
        """Send an output; that of a unary capability waits for the end, to go in one frame with it."""
        output = from_payload(payload)
        check_size(output, self._bounds.payload)
        if self._capability.streams_output:
            await self._credit.acquire()
            await self._out.put(pb.AttachRequest(call_id=self._context.call_id, output=output))
        elif self._output is None:
            self._output = output
        else:
            raise AgentProtocol(self._context.agent, "it gave two outputs to a unary call")

    async def _heard(self) -> AsyncGenerator[Payload, None]:
        """The inputs as they come; once half of those allowed have been taken, as many more are."""
        taken = 0
        while (payload := await self._inputs.get()) is not None:
            yield payload
            taken += 1
            if 2 * taken >= self._bounds.inputs:
                await self._out.put(pb.AttachRequest(call_id=self._context.call_id, credit=taken))
                taken = 0


def _soon(loop: asyncio.AbstractEventLoop, report: Callable[[], None]) -> None:
    """Called in whichever thread spends."""
    loop.call_soon_threadsafe(report)

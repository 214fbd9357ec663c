"""Lines to addresses: one gRPC channel for each, bounded in number, closed when nobody needs it any more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from a2a_node.client.rpcs import ENVELOPE_BYTES
from a2a_node.model.errors import NoInstance
from a2amesh.v1 import agent_service_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["AgentService"].full_name
Clock = Callable[[], float]
Options = Sequence[tuple[str, int]]
LOOKAHEAD = 1 << 20  # bytes of a stream that may wait here for its reader


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many lines there are, how long they stay, and what goes over them."""

    payload: int = 16 * 1024 * 1024  # bytes
    lines: int = 1000
    idle: float = 300.0  # seconds without a call until a line is closed
    tidy: float = 5.0  # seconds between looks for lines that nobody needs

    def options(self) -> Options:
        """The channel's own settings."""
        return (
            ("grpc.http2.bdp_probe", 0),  # with it, measured, 4 to 12 MB waited for a slow reader
            ("grpc.http2.lookahead_bytes", LOOKAHEAD),
            ("grpc.max_receive_message_length", self.payload + ENVELOPE_BYTES),
            ("grpc.max_send_message_length", self.payload + ENVELOPE_BYTES),
            ("grpc.enable_http_proxy", 0),  # an endpoint is reached as registered, whatever the environment says
            ("grpc.enable_retries", 0),  # the layers above retry, within a budget
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),  # below a breaker's pause, so that a call after it really tries
            ("grpc.min_reconnect_backoff_ms", 3000),  # this is how long one try to connect may take
            ("grpc.max_reconnect_backoff_ms", 5000),
        )


DEFAULT = Bounds()


class Line:
    """One channel, with the ways of calling over it, and how busy it is."""

    def __init__(self, address: str, bounds: Bounds, clock: Clock) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=bounds.options())
        self.invoke = self.channel.unary_unary(
            f"/{SERVICE}/Invoke", pb.InvokeRequest.SerializeToString, pb.InvokeResponse.FromString
        )
        self.stream = self.channel.unary_stream(
            f"/{SERVICE}/InvokeStream", pb.InvokeStreamRequest.SerializeToString, pb.InvokeStreamResponse.FromString
        )
        self.converse = self.channel.stream_stream(
            f"/{SERVICE}/Converse", pb.ConverseRequest.SerializeToString, pb.ConverseResponse.FromString
        )
        self.cancel = self.channel.unary_unary(
            f"/{SERVICE}/CancelCall", pb.CancelCallRequest.SerializeToString, pb.CancelCallResponse.FromString
        )
        self.calls = 0
        self.used_at = clock()

    @property
    def connected(self) -> bool:
        """Whether it is connected now."""
        return self.channel.get_state() is grpc.ChannelConnectivity.READY

    def raw(self, method: str) -> grpc.aio.StreamStreamMultiCallable[bytes, bytes]:
        """A method of a service that the node does not know, as messages that it does not read."""
        return self.channel.stream_stream(f"/{method}", None, None)


class Lines:
    """The lines by address, the one longest unused first."""

    def __init__(self, bounds: Bounds, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        self._lines: OrderedDict[str, Line] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lines)

    def free(self, address: str) -> bool:
        """Whether a call to the address could begin now."""
        return address in self._lines or len(self._lines) < self._bounds.lines or self._unused() is not None

    @asynccontextmanager
    async def taken(self, address: str, agent: str) -> AsyncIterator[Line]:
        """The line to an address, for one call; NoInstance when all lines are busy with others."""
        while address not in self._lines and len(self._lines) >= self._bounds.lines:
            unused = self._unused()
            if unused is None:
                raise NoInstance(agent)
            await self._close(unused)
        line = self._lines.get(address) or Line(address, self._bounds, self._clock)
        self._lines[address] = line
        self._lines.move_to_end(address)
        line.calls += 1
        try:
            yield line
        finally:
            line.calls -= 1
            line.used_at = self._clock()

    async def tidy(self, serves: Callable[[str], bool]) -> None:
        """Close lines without a call that were idle for long, or whose address serves nobody any more."""
        latest = self._clock() - self._bounds.idle
        for address in [*self._lines]:
            line = self._lines.get(address)  # closing others took a moment, in which it may have become another one
            if line is not None and not line.calls and (line.used_at <= latest or not serves(address)):
                await self._close(address)

    async def close(self) -> None:
        """Close every line."""
        for address in [*self._lines]:
            await self._close(address)

    def _unused(self) -> str | None:
        return next((address for address, line in self._lines.items() if not line.calls), None)

    async def _close(self, address: str) -> None:
        line = self._lines.pop(address, None)
        if line is not None:
            await line.channel.close()

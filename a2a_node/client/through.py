"""A channel to an agent's own gRPC services, through the node: whatever protoc generates for clients takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypedDict, TypeVar, Unpack, cast

import grpc

from a2a_node.client.connection import Connection, seconds, terms
from a2a_node.tracing.context import carried
from a2a_node.wire.calls import AGENT

Q = TypeVar("Q")
R = TypeVar("R")
Writes = Callable[[Q], bytes] | None
Reads = Callable[[bytes], R] | None


class Options(TypedDict, total=False):
    """What a call may be given besides its messages, by the names that gRPC has for it."""

    timeout: float | None
    metadata: Iterable[tuple[str, str | bytes]] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class Through(grpc.aio.Channel):
    """The client's channel, on which every call names the agent and says what all calls of the client say.

    Calls are gRPC's own and fail with gRPC's own errors. Inside an agent's work they continue what it works on.
    The channel is the client's, and ends with it.
    """

    def __init__(self, connection: Connection, agent: str) -> None:
        self._connection, self._agent = connection, agent

    def unary_unary(
        self,
        method: str,
        request_serializer: Writes[Q] = None,
        response_deserializer: Reads[R] = None,
        _registered_method: bool | None = None,  # noqa: FBT001 - generated code says so
    ) -> grpc.aio.UnaryUnaryMultiCallable[Q, R]:
        """One message there, one back."""
        named = self._named("unary_unary", method, request_serializer, response_deserializer)
        return cast("grpc.aio.UnaryUnaryMultiCallable[Q, R]", named)

    def unary_stream(
        self,
        method: str,
        request_serializer: Writes[Q] = None,
        response_deserializer: Reads[R] = None,
        _registered_method: bool | None = None,  # noqa: FBT001
    ) -> grpc.aio.UnaryStreamMultiCallable[Q, R]:
        """One message there, any number back."""
        named = self._named("unary_stream", method, request_serializer, response_deserializer)
        return cast("grpc.aio.UnaryStreamMultiCallable[Q, R]", named)

    def stream_unary(
        self,
        method: str,
        request_serializer: Writes[Q] = None,
        response_deserializer: Reads[R] = None,
        _registered_method: bool | None = None,  # noqa: FBT001
    ) -> grpc.aio.StreamUnaryMultiCallable[Q, R]:
        """Any number there, one back."""
        named = self._named("stream_unary", method, request_serializer, response_deserializer)
        return cast("grpc.aio.StreamUnaryMultiCallable[Q, R]", named)

    def stream_stream(
        self,
        method: str,
        request_serializer: Writes[Q] = None,
        response_deserializer: Reads[R] = None,
        _registered_method: bool | None = None,  # noqa: FBT001
    ) -> grpc.aio.StreamStreamMultiCallable[Q, R]:
        """Any number both ways."""
        named = self._named("stream_stream", method, request_serializer, response_deserializer)
        return cast("grpc.aio.StreamStreamMultiCallable[Q, R]", named)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's own
        """How the connection to the node stands."""
        return self._connection.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until it stands otherwise."""
        await self._connection.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the node is reached."""
        await self._connection.channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Nothing: the client closes its channel."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _named(self, shape: str, method: str, *ways: object) -> Callable[..., object]:
        """A method of that shape; asked of the connection at each call, for it may have been dialled anew."""

        def call(*messages: object, **options: Unpack[Options]) -> object:
            made: Callable[..., object] = getattr(self._connection.channel, shape)(method, *ways)
            return made(*messages, **self._said(options))

        return call

    def _said(self, options: Options) -> Options:
        within = terms(options.get("timeout"))
        entries = self._connection.metadata(within, carried())
        told = (*entries, (AGENT, self._agent), *(options.get("metadata") or ()))
        return {**options, "timeout": seconds(within), "metadata": told}

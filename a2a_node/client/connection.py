"""One channel to a node: here every RPC gets its key, call token, trace and deadline, and its failure its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import cached_property
from math import inf
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message

from a2a_node.agent import current
from a2a_node.client.rpcs import ENVELOPE_BYTES, MAX_MESSAGE, Rpc
from a2a_node.client.sending import sending
from a2a_node.client.tls import Tls, met_at
from a2a_node.model.budget import written
from a2a_node.model.call import Terms
from a2a_node.model.errors import DeadlineExceeded, MeshError, NodeUnreachable
from a2a_node.model.places import client_key
from a2a_node.tracing.asking import asking
from a2a_node.tracing.context import Entries
from a2a_node.wire.calls import AUTHORIZATION, CALL_TOKEN, USED
from a2a_node.wire.errors import DETAILS_KEY, from_status

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

PING_MS = 5000  # a node that is silent for so long is asked whether it lives, and has as long to answer
UNCONNECTED = "failed to connect to all addresses"  # as gRPC says it, in its message alone

__all__ = ["ENVELOPE_BYTES", "MAX_MESSAGE", "Connection", "Rpc", "Unanswered", "Unsent", "lost", "seconds", "terms"]


class Unanswered(NodeUnreachable):
    """The same, found here and said by no node: the RPC may go on elsewhere."""


class Unsent(Unanswered):
    """The same, and nothing was sent, for there was no connection."""


def terms(timeout: float | None = None) -> Terms:
    """The terms of an RPC made here: inside an agent's work its token, and a deadline never later than its own."""
    work = current.get(None)
    if work is None:
        return Terms("", timeout)
    left = work.time_left()
    return Terms(work.token, left if timeout is None else min(timeout, left), used=work.used())


class Connection:
    """A channel to one node, dialled when it is first used; `close` ends it with everything that runs on it, for good.

    With TLS a node that was lost is dialled anew with what the files hold then.
    """

    def __init__(
        self, address: str, key: str | None = None, max_message: int = MAX_MESSAGE, tls: Tls | None = None
    ) -> None:
        self.address, self._tls = met_at(address, tls)
        self._max_message = max_message
        certified = self._tls is not None and self._tls.certificate is not None
        found = client_key(self.address, certified=certified) if key is None else key
        self._credentials = ((AUTHORIZATION, f"Bearer {found}"),) if found else ()
        self._unary: dict[str, object] = {}
        self._stamp: object = None  # of the files that the channel was made with
        self._left: set[asyncio.Task[None]] = set()
        self._closed = False

    async def ask(self, rpc: Rpc[Q, R], request: Q, within: Terms) -> R:
        """One request, one response; any MeshError."""
        method = cast("grpc.aio.UnaryUnaryMultiCallable[Q, R]", self._unary.get(rpc.name) or self._made(rpc))
        with asking(rpc.name) as joins:
            try:
                return await method(request, timeout=seconds(within), metadata=self.metadata(within, joins))
            except grpc.aio.AioRpcError as failure:
                raise self.named(failure, within) from None

    async def listen(self, rpc: Rpc[Q, R], request: Q, within: Terms) -> AsyncIterator[R]:
        """One request, any number of responses; closing the iterator cancels the RPC. Any MeshError."""
        method = self._channel.unary_stream(rpc.path, rpc.request.SerializeToString, rpc.response.FromString)
        with asking(rpc.name) as joins:
            call = method(request, timeout=seconds(within), metadata=self.metadata(within, joins))
            try:
                async for response in call:
                    yield response
            except grpc.aio.AioRpcError as failure:
                raise self.named(failure, within) from None
            finally:
                call.cancel()

    async def converse(self, rpc: Rpc[Q, R], requests: AsyncGenerator[Q, None], within: Terms) -> AsyncIterator[R]:
        """Requests and responses side by side; what `requests` raises ends the RPC and is raised. Any MeshError."""
        with asking(rpc.name) as joins:
            call = self.dial(rpc, within, joins)
            try:
                async with sending(call, requests):
                    async for response in call:
                        yield response
            except grpc.aio.AioRpcError as failure:
                raise self.named(failure, within) from None
            finally:
                call.cancel()

    def dial(self, rpc: Rpc[Q, R], within: Terms, joins: Entries = ()) -> grpc.aio.StreamStreamCall[Q, R]:
        """Open a stream both ways, as gRPC has it; `named` tells what its failures mean."""
        method: grpc.aio.StreamStreamMultiCallable[Q, R] = self._channel.stream_stream(
            rpc.path, rpc.request.SerializeToString, rpc.response.FromString
        )
        return method(timeout=seconds(within), metadata=self.metadata(within, joins))

    def named(self, failure: grpc.aio.AioRpcError, within: Terms) -> MeshError:
        """The error of a status; one that no node has given means that none was reached, or not in time."""
        trailing = failure.trailing_metadata()
        details = cast("bytes | None", trailing.get(DETAILS_KEY)) if trailing else None
        error = from_status(failure.code().name, failure.details() or "", details)
        if details is None and error.code == "UNAVAILABLE":
            self._leave_old()
            unsent = (failure.details() or "").startswith(UNCONNECTED)
            return Unsent(self.address) if unsent else Unanswered(self.address)
        if details is None and error.code == "DEADLINE_EXCEEDED":
            return DeadlineExceeded(within.time_left or 0.0)
        return error

    async def close(self) -> None:
        """End the channel and what still runs on it; whoever asks afterwards has a RuntimeError."""
        self._closed = True
        self._unary.clear()
        if (channel := self.__dict__.pop("_channel", None)) is not None:
            await channel.close()
        if self._left:
            await asyncio.wait(self._left)

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel, as gRPC has it; another one once it was dialled anew."""
        return self._channel

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        if self._closed:
            raise RuntimeError("this client is closed; make another one, and use it within its `async with`")
        options = [
            ("grpc.max_receive_message_length", self._max_message),
            ("grpc.max_send_message_length", self._max_message),
            ("grpc.keepalive_time_ms", PING_MS),
            ("grpc.http2.ping_timeout_ms", PING_MS),  # measured: `keepalive_timeout_ms` alone never ends a connection
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 2000),  # how long a node that takes connections may be silent then
            ("grpc.max_reconnect_backoff_ms", 1000),  # a node that starts again is soon found
        ]
        if self._tls is None:
            return grpc.aio.insecure_channel(self.address, options)
        self._stamp = self._tls.stamp()
        return grpc.aio.secure_channel(self.address, self._tls.credentials(), options)

    def _leave_old(self) -> None:
        """The node is lost: where the files of TLS have changed, a new channel is made for what comes next."""
        if self._tls is None or "_channel" not in self.__dict__ or self._tls.stamp() == self._stamp:
            return
        closing = asyncio.create_task(self._channel.close(1.0))
        self._left.add(closing)
        closing.add_done_callback(self._left.discard)
        del self._channel
        self._unary.clear()

    def _made(self, rpc: Rpc[Q, R]) -> object:
        """The callable of a unary RPC, made once."""
        made = self._channel.unary_unary(rpc.path, rpc.request.SerializeToString, rpc.response.FromString)
        self._unary[rpc.name] = made
        return made

    def metadata(self, within: Terms, joins: Entries) -> Entries:
        """What every RPC says: the key, what joins it to its trace, inside an agent's work its token and its costs."""
        entries = (*self._credentials, *joins)
        if within.token:
            entries = (*entries, (CALL_TOKEN, within.token))
        return (*entries, (USED, written(within.used))) if within.used else entries


def lost(failure: MeshError) -> bool:
    """Whether the connection was lost, rather than what ran on it ended."""
    nameless = failure.code == failure.reason == "CANCELLED"  # a node that stopped had no time to say why
    return nameless or isinstance(failure, Unanswered)


def seconds(within: Terms) -> float | None:
    """How long an RPC may take, as gRPC has it; DeadlineExceeded when that is over."""
    left = within.time_left
    if left is None or left == inf:
        return None
    if left <= 0:
        raise DeadlineExceeded(0.0)
    return left

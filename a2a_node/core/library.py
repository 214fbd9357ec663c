"""What is used of grpcio's private module, by types of our own: the one place that an upgrade of grpcio can break.

`tests/contract/test_core_library.py` holds what is expected of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
Options: TypeAlias = Sequence[tuple[str, int | str]]
Credentials: TypeAlias = grpc.ServerCredentials
ChannelCredentials: TypeAlias = grpc.ChannelCredentials


class Operation(Protocol):
    """One operation of a batch; those that receive tell what they received once the batch is complete."""

    def message(self) -> bytes | None:
        """Of ReceiveMessageOperation: the message, None when there are no more."""

    def cancelled(self) -> bool:
        """Of ReceiveCloseOnServerOperation: whether the RPC ended before its status was sent."""

    def code(self) -> int:
        """Of ReceiveStatusOnClientOperation: the number of the status."""

    def details(self) -> str:
        """Of ReceiveStatusOnClientOperation: what the status says."""

    def trailing_metadata(self) -> Metadata | None:
        """Of ReceiveStatusOnClientOperation: what came with the status."""


class CoreCall(Protocol):
    """An RPC of the C core."""

    def start_server_batch(self, operations: Sequence[Operation], tag: Tag) -> int:
        """Begin a batch, whose completion comes with the tag; anything but 0 means that it was not begun."""

    def peer(self) -> bytes:
        """The client's address."""


class ClientCall(Protocol):
    """An RPC that is begun from here."""

    def operate(self, operations: Sequence[Operation], tag: Tag) -> bool:
        """Begin a batch, and one of nothing completes at once; False when all that was begun is complete."""

    def cancel(self, code: int, details: str) -> None:
        """End it with that status, unless it has ended."""


Batches: TypeAlias = "Sequence[tuple[Sequence[Operation], Tag]]"
Begin: TypeAlias = "Callable[[int, bytes, None, float | None, Metadata | None, None, Batches], ClientCall]"


class CoreChannel(Protocol):
    """Connections to an address, and the queue of all that is begun on them."""

    @property
    def integrated_call(self) -> Begin:
        """Begins an RPC: flags, method, host, deadline, metadata, credentials, and its first batches."""

    def next_call_event(self) -> Event:
        """The next completion; waits for it without holding the interpreter."""

    def close(self, code: int, details: str) -> None:
        """Let go of it; only once all that was begun on it is complete, for it waits for that."""


class CallDetails(Protocol):
    """What a client says of its RPC beside its metadata."""

    method: bytes
    deadline: float  # seconds since the epoch; beyond NEVER when there is none


class Event(Protocol):
    """A completion; only that of a requested call has the last three."""

    tag: Tag | None  # None when there was none in time, or when the queue is shut down
    success: bool
    completion_type: int
    batch_operations: Sequence[Operation]
    call: CoreCall
    call_details: CallDetails
    invocation_metadata: Metadata


Tag: TypeAlias = Callable[[Event], None]


class Queue(Protocol):
    """A queue of completions."""

    def poll(self, deadline: float | None = None) -> Event:
        """The next one; waits until the deadline, seconds since the epoch, without holding the interpreter."""

    def shutdown(self) -> None:
        """Take no more; `poll` says so once everything that was begun is complete."""


class CoreServer(Protocol):
    """A server of the C core."""

    def register_completion_queue(self, queue: Queue) -> None:
        """Before the start: a queue that calls may be requested on."""

    def add_http2_port(self, address: bytes, credentials: object | None = None) -> int:
        """Listen there; the port, or 0 when that is not possible."""

    def start(self) -> None:
        """Begin to listen."""

    def request_call(self, call_queue: Queue, server_queue: Queue, tag: Tag) -> int:
        """Take one more RPC, whose arrival comes with the tag."""

    def shutdown(self, queue: Queue, tag: Tag) -> None:
        """Take no more RPCs; the tag comes once all have ended."""

    def cancel_all_calls(self) -> None:
        """Cancel what still runs; only after `shutdown`."""

    def destroy(self) -> None:
        """Let go of it; only after the tag of `shutdown` has come."""


NEVER = 1e12  # seconds since the epoch; what lies beyond is no deadline
PAST = 0.0  # a deadline that lets `poll` look and not wait
SHUTDOWN: int = cygrpc.CompletionType.queue_shutdown
TIMEOUT: int = cygrpc.CompletionType.queue_timeout
new_queue: Callable[[], Queue] = cygrpc.CompletionQueue
new_server: Callable[[Options, bool], CoreServer] = cygrpc.Server
receive_message: Callable[[int], Operation] = cygrpc.ReceiveMessageOperation
receive_close: Callable[[int], Operation] = cygrpc.ReceiveCloseOnServerOperation
new_channel: Callable[[bytes, Options, object | None], CoreChannel] = cygrpc.Channel
receive_initial_metadata: Callable[[int], Operation] = cygrpc.ReceiveInitialMetadataOperation
receive_status: Callable[[int], Operation] = cygrpc.ReceiveStatusOnClientOperation
send_close: Callable[[int], Operation] = cygrpc.SendCloseFromClientOperation
send_initial_metadata: Callable[[Metadata | None, int], Operation] = cygrpc.SendInitialMetadataOperation
send_message: Callable[[bytes, int], Operation] = cygrpc.SendMessageOperation
send_status: Callable[[Metadata | None, int, bytes, int], Operation] = cygrpc.SendStatusFromServerOperation
auth_context: Callable[[CoreCall], Mapping[bytes, Sequence[bytes]] | None] = cygrpc.auth_context


def of_credentials(credentials: Credentials | ChannelCredentials | None) -> object | None:
    """What the C core takes for `grpc.ssl_server_credentials` and `grpc.ssl_channel_credentials`."""
    return None if credentials is None else credentials._credentials  # type: ignore[union-attr]  # noqa: SLF001

"""What we rely on in grpcio's private module: whoever upgrades grpcio hears here first what has changed.

The sync client drives it, so that nothing of the code under `a2a_node/core` takes part but the names it uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from time import time
from typing import TypeAlias

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]

import a2a_node
from a2a_node.core import library
from a2a_node.core.library import NEVER, PAST, SHUTDOWN, CoreServer, Event, Metadata, Queue

PATIENCE = 10.0
Future: TypeAlias = "grpc._CallFuture[bytes]"  # noqa: SLF001 - only the stubs have it
BINARY = (("a-bin", b"\x00\xff"), ("b", "c"))


def ignore(_: Event) -> None:
    """A tag."""


def other(_: Event) -> None:
    """Another one."""


@dataclass(frozen=True, slots=True)
class House:
    """A server of the C core, and a client's channel to it."""

    queue: Queue
    core: CoreServer
    channel: grpc.Channel

    def next(self) -> Event:
        """The next completion."""
        return self.queue.poll(time() + PATIENCE)

    def called(
        self, message: bytes = b"question", timeout: float | None = PATIENCE, metadata: Metadata = ()
    ) -> tuple[Event, Future]:
        """An RPC that has arrived, and what its client waits for."""
        self.core.request_call(self.queue, self.queue, ignore)
        rpc: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary("/some.Service/Method", None, None)
        future = rpc.future(message, timeout=timeout, metadata=tuple(metadata))
        return self.next(), future


@contextmanager
def house() -> Iterator[House]:
    """Started, and taken down in the order that the C core wants."""
    queue = library.new_queue()
    core = library.new_server((("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 1000)), False)  # noqa: FBT003
    core.register_completion_queue(queue)
    port = core.add_http2_port(b"127.0.0.1:0")
    core.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield House(queue, core, channel)
    core.shutdown(queue, other)
    core.cancel_all_calls()
    while queue.poll(time() + PATIENCE).tag is not other:
        pass
    core.destroy()
    queue.shutdown()
    assert queue.poll(time() + PATIENCE).completion_type == SHUTDOWN


def test_a_look_at_an_empty_queue_does_not_wait() -> None:
    """It has no tag, and is not the end."""
    with house() as here:
        event = here.queue.poll(PAST)
        assert event.tag is None
        assert event.completion_type != SHUTDOWN


def test_a_call_tells_its_method_metadata_deadline_and_peer() -> None:
    """Binary entries as bytes, all others as text."""
    with house() as here:
        event, future = here.called(metadata=BINARY)
        assert event.tag is ignore
        assert event.success
        assert event.call_details.method == b"/some.Service/Method"
        assert set(BINARY) <= set(event.invocation_metadata)
        assert 0 < event.call_details.deadline - time() <= PATIENCE * 1.01  # gRPC rounds up what it sends
        assert event.call.peer().startswith(b"ipv4:127.0.0.1:")
        assert b"peer_uri" not in (library.auth_context(event.call) or {})
        future.cancel()


def test_a_call_without_a_deadline_has_one_beyond_never() -> None:
    """That is how it is told."""
    with house() as here:
        event, future = here.called(timeout=None)
        assert event.call_details.deadline > NEVER
        future.cancel()


def test_one_batch_answers_a_unary_call() -> None:
    """Its metadata, message, status and end complete together."""
    with house() as here:
        event, future = here.called()
        assert event.call.start_server_batch((library.receive_message(0),), ignore) == 0
        assert here.next().batch_operations[0].message() == b"question"
        answer = (
            library.send_initial_metadata(None, 0),
            library.send_message(b"answer", 0),
            library.send_status(BINARY, 0, b"", 0),
            library.receive_close(0),
        )
        assert event.call.start_server_batch(answer, other) == 0
        done = here.next()
        assert (done.tag, done.success, done.batch_operations[-1].cancelled()) == (other, True, False)
        assert future.result() == b"answer"
        assert set(BINARY) <= set(future.trailing_metadata())


def test_a_status_carries_code_and_details() -> None:
    """Codes are gRPC's numbers."""
    with house() as here:
        event, future = here.called()
        refusal = (library.send_initial_metadata(None, 0), library.send_status(None, 7, "nò".encode(), 0))
        event.call.start_server_batch((*refusal, library.receive_close(0)), ignore)
        here.next()
        with pytest.raises(grpc.RpcError) as refused:
            future.result()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert refused.value.details() == "nò"


def test_a_client_that_goes_away_is_told_by_the_close() -> None:
    """At once."""
    with house() as here:
        event, future = here.called()
        event.call.start_server_batch((library.receive_close(0),), other)
        future.cancel()
        closed = here.next()
        assert closed.tag is other
        assert closed.batch_operations[0].cancelled()


def test_a_message_that_is_too_long_is_none() -> None:
    """The C core refuses it by itself."""
    with house() as here:
        event, future = here.called(b"x" * 2000)
        event.call.start_server_batch((library.receive_message(0),), ignore)
        assert here.next().batch_operations[0].message() is None
        end = (library.send_initial_metadata(None, 0), library.send_status(None, 13, b"", 0), library.receive_close(0))
        event.call.start_server_batch(end, other)
        here.next()
        with pytest.raises(grpc.RpcError) as refused:
            future.result()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_second_message_at_a_time_is_refused_by_a_number() -> None:
    """Which is why senders take turns."""
    with house() as here:
        event, future = here.called()
        begun = [event.call.start_server_batch((library.receive_message(0),), ignore) for _ in range(2)]
        assert begun[0] == 0
        assert begun[1] != 0
        here.next()
        future.cancel()


def test_an_address_in_use_has_no_port() -> None:
    """0, and no exception."""
    with house() as here:
        here.core.request_call(here.queue, here.queue, ignore)
        second = library.new_server((("grpc.so_reuseport", 0),), False)  # noqa: FBT003
        port = second.add_http2_port(b"127.0.0.1:0")
        assert port > 0
        third = library.new_server((("grpc.so_reuseport", 0),), False)  # noqa: FBT003
        assert third.add_http2_port(f"127.0.0.1:{port}".encode()) == 0


def test_a_shutdown_lets_requested_calls_fail() -> None:
    """Each comes with its tag, without success, before the end."""
    queue = library.new_queue()
    core = library.new_server((), False)  # noqa: FBT003
    core.register_completion_queue(queue)
    core.add_http2_port(b"127.0.0.1:0")
    core.start()
    core.request_call(queue, queue, ignore)
    core.shutdown(queue, other)
    events = [queue.poll(time() + PATIENCE) for _ in range(2)]
    assert {(event.tag, event.success) for event in events} == {(ignore, False), (other, True)}
    core.destroy()
    queue.shutdown()
    assert queue.poll(time() + PATIENCE).completion_type == SHUTDOWN


def test_credentials_of_grpc_hold_those_of_the_core() -> None:
    """And a door without TLS has none."""
    assert library.of_credentials(None) is None
    assert library.of_credentials(grpc.ssl_server_credentials([(b"key", b"certificate")])) is not None


def test_a_batch_of_nothing_completes_at_once_on_a_server_too() -> None:
    """Behind what is complete, while the RPC runs and after its end."""
    with house() as here:
        event, future = here.called()
        assert event.call.start_server_batch((), other) == 0
        assert here.queue.poll(PAST).tag is other
        answer = (library.send_initial_metadata(None, 0), library.send_status((), 0, b"", 0), library.receive_close(0))
        assert event.call.start_server_batch(answer, ignore) == 0
        assert here.next().tag is ignore
        assert event.call.start_server_batch((), other) == 0
        assert here.queue.poll(PAST).tag is other
        future.cancel()


def test_a_batch_of_nothing_completes_at_once() -> None:
    """That is how a client's channel is looked into, whose queue only ever waits; it comes behind what is complete."""

    def ended(_: Event) -> None:
        """The tag of the status."""

    with create_server(("127.0.0.1", 0)) as silent:
        channel = library.new_channel(b"127.0.0.1:%d" % silent.getsockname()[1], (), None)
        opening = (library.send_initial_metadata(None, 0), library.receive_initial_metadata(0))
        batches = ((opening, ignore), ((library.receive_status(0),), ended))
        call = channel.integrated_call(0, b"/some.Service/Method", None, None, None, None, batches)
        assert call.operate((), other)
        assert channel.next_call_event().tag is other
        call.cancel(1, "enough")
        seen = [channel.next_call_event() for _ in batches]
        assert {event.tag for event in seen} == {ignore, ended}
        (status,) = (event.batch_operations[0] for event in seen if event.tag is ended)
        assert (status.code(), status.details()) == (1, "enough")
        assert not call.operate((), other)
        channel.close(1, "enough")


def test_every_option_of_a_channel_is_one_that_the_core_knows() -> None:
    """It ignores others without a word: a quiet stream was cut off where one was misspelt."""
    core = Path(cygrpc.__file__).read_bytes()
    written = "".join(file.read_text() for file in Path(a2a_node.__file__).parent.rglob("*.py"))
    named = set(re.findall(r'\("(grpc\.[\w.]+)",', written))
    assert "grpc.keepalive_time_ms" in named
    assert not [name for name in named if name.encode() + b"\0" not in core]

"""How an endpoint's RPC ended, in the mesh's words."""

from __future__ import annotations

from time import monotonic

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs

from a2a_node.mesh.faults import Status, ended, fault, status_of
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import (
    AgentEnded,
    AgentFailed,
    AgentLost,
    AgentRefused,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    PayloadTooLarge,
)
from a2a_node.model.proxied import PROXIED
from a2a_node.wire.errors import DETAILS_KEY, to_details
from tests.unit.mesh.samples import endpoint

INSTANCE = endpoint("a")


async def done(_: Call) -> None:
    """Nothing more to do."""


def named(status: Status, time_left: float = 60.0) -> MeshError:
    """The failure of a call that had so much time left."""
    envelope = Envelope(deadline=monotonic() + time_left, allowance=60.0)
    return fault(status, Call(method="/m", rest=done, agent="a", capability="say", envelope=envelope), INSTANCE)


def test_what_the_agent_names_passes_on() -> None:
    """Code, reason, message, variables and fields at fault."""
    refusal = AgentRefused("no stock", code="ABORTED", reason="OUT_OF_STOCK", left=0)
    error = named(Status("ABORTED", "no stock", to_details(refusal)))
    assert (error.code, error.reason, error.message) == ("ABORTED", "OUT_OF_STOCK", "no stock")
    assert error.variables == {"left": "0"}
    faulty = named(Status("INVALID_ARGUMENT", "text: wrong", to_details(InvalidInput("text", "wrong"))))
    assert isinstance(faulty, InvalidInput)
    assert faulty.violations == [("text", "wrong")]


def test_an_agent_that_lost_another_one_is_not_lost_itself() -> None:
    """The instance that was lost is named."""
    error = named(Status("UNAVAILABLE", "lost", to_details(AgentLost("b", "other"))))
    assert isinstance(error, AgentLost)
    assert error.variables["instance"] == "other"


@pytest.mark.parametrize("details", [None, b"garbage\xff", status_pb2.Status(code=14).SerializeToString()])
def test_a_connection_that_failed_is_an_agent_lost(details: bytes | None) -> None:
    """So is a bare UNAVAILABLE, whatever came with it."""
    error = named(Status("UNAVAILABLE", "failed to connect", details))
    assert isinstance(error, AgentLost)
    assert error.variables["instance"] == INSTANCE.id


@pytest.mark.parametrize("code", ["UNKNOWN", "INTERNAL"])
def test_an_error_without_a_name_keeps_its_text_out_of_the_answer(code: str) -> None:
    """It is in the log."""
    with capture_logs() as logs:
        error = named(Status(code, "Traceback: password=hunter2"))
    assert isinstance(error, AgentFailed)
    assert "hunter2" not in error.message
    assert logs[0]["text"] == "Traceback: password=hunter2"


@pytest.mark.parametrize("code", ["NOT_FOUND", "PERMISSION_DENIED", "ABORTED", "UNIMPLEMENTED", "CANCELLED"])
def test_a_foreign_refusal_keeps_its_code_and_message(code: str) -> None:
    """With the reason that the agent refused."""
    error = named(Status(code, "not today"))
    assert isinstance(error, AgentRefused)
    assert (error.code, error.reason, error.message) == (code, "AGENT_REFUSED", "not today")


def test_a_refusal_without_a_word_says_who_refused() -> None:
    """A message is never empty."""
    assert "'a'" in named(Status("ABORTED")).message


def test_details_without_a_reason_pass_on_with_their_code() -> None:
    """Fields at fault are kept."""
    status = status_pb2.Status(code=3)
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="x", description="wrong")
    status.details.add().Pack(bad)
    error = named(Status("INVALID_ARGUMENT", "x is wrong", status.SerializeToString()))
    assert (error.code, error.message) == ("INVALID_ARGUMENT", "x is wrong")


def test_the_calls_own_deadline_is_told_from_somebody_elses() -> None:
    """An agent may say DEADLINE_EXCEEDED long before the call's own."""
    assert isinstance(named(Status("DEADLINE_EXCEEDED", "over"), time_left=0.01), DeadlineExceeded)
    assert isinstance(named(Status("DEADLINE_EXCEEDED", "theirs"), time_left=30), AgentRefused)


def test_a_message_over_the_limit_names_both_numbers() -> None:
    """As gRPC itself does; a queue that is full is another thing."""
    error = named(Status("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (5000 vs. 4000)"))
    assert isinstance(error, PayloadTooLarge)
    assert error.variables == {"size": "5000", "limit": "4000"}
    assert isinstance(named(Status("RESOURCE_EXHAUSTED", "queue is full")), AgentRefused)


def test_a_status_is_read_from_a_failed_rpc() -> None:
    """With its details, where there are any."""
    metadata = grpc.aio.Metadata((DETAILS_KEY, b"details"))
    failure = grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), metadata, "why")
    assert status_of(failure) == Status("ABORTED", "why", b"details")
    bare = grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), grpc.aio.Metadata())
    assert status_of(bare) == Status("ABORTED")


def ending(code: grpc.StatusCode, text: str, *trailing: tuple[str, str | bytes], connected: bool = True) -> MeshError:
    """How a call that was passed through fails."""
    failure = grpc.aio.AioRpcError(code, None, grpc.aio.Metadata(*trailing), text)
    envelope = Envelope(deadline=monotonic() + 60, allowance=60.0)
    asked = Call(method=PROXIED, rest=done, agent="a", capability="b.C/D", envelope=envelope)
    return ended(failure, asked, INSTANCE, connected=connected)


def test_an_agents_own_status_is_kept_as_it_is() -> None:
    """With all that came with it but what it told the node alone; its reason is known where its details name one."""
    details = to_details(AgentRefused("no stock", code="ABORTED", reason="OUT_OF_STOCK"))
    error = ending(grpc.StatusCode.ABORTED, "no stock", (DETAILS_KEY, details), ("a2a-used", "calls=1"), ("left", "0"))
    assert isinstance(error, AgentEnded)
    assert (error.code, error.reason, error.message) == ("ABORTED", "OUT_OF_STOCK", "no stock")
    assert error.trailing == [(DETAILS_KEY, details), ("left", "0")]
    bare = ending(grpc.StatusCode.UNKNOWN, "out of paper")
    assert (bare.code, bare.reason, bare.message, bare.retryable) == ("UNKNOWN", "AGENT_REFUSED", "out of paper", False)


def test_an_agent_that_is_not_reached_is_lost() -> None:
    """One that says UNAVAILABLE itself is not."""
    refused = "failed to connect to all addresses; last error: refused"
    assert isinstance(ending(grpc.StatusCode.UNAVAILABLE, refused), AgentLost)
    assert isinstance(ending(grpc.StatusCode.UNAVAILABLE, "Socket closed", connected=False), AgentLost)
    assert isinstance(ending(grpc.StatusCode.UNAVAILABLE, "closed until noon"), AgentEnded)
    removed = "Stream removed (recvmsg:Connection reset by peer (104))"  # the channel hears of it after its calls
    assert isinstance(ending(grpc.StatusCode.UNAVAILABLE, removed), AgentLost)
    assert isinstance(ending(grpc.StatusCode.ABORTED, removed), AgentEnded)
    said = ending(grpc.StatusCode.UNAVAILABLE, "closed", ("until", "noon"), connected=False)
    assert isinstance(said, AgentEnded)

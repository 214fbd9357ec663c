"""What the server refuses, and how: by code, reason, field and never with a secret."""

from __future__ import annotations

import re
from itertools import product

import grpc
import pytest

from a2a_node.model.call import Call
from a2a_node.model.errors import AgentLost
from a2a_node.model.payload import Payload
from a2amesh.v1 import agent_service_pb2 as pb
from a2amesh.v1 import payload_pb2
from tests.integration.server_house import KEY, LIMIT, answer, house, refusal, say


async def test_a_conversation_begins_with_its_opening() -> None:
    """Anything else is refused by field."""
    async with house() as here:
        call = here.converse()
        await call.write(pb.ConverseRequest(input=payload_pb2.Payload(text="x")))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refusal(refused.value).violations[0][0] == "open"


async def test_what_nobody_named_leaves_without_its_text() -> None:
    """INTERNAL, and not a word of the secret in it."""

    async def broken(_: Call) -> None:
        raise RuntimeError("the password is hunter2")

    async with house() as here:
        here.script.act = broken
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(say())
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert "hunter2" not in repr(refused.value)
        assert refusal(refused.value).reason == "INTERNAL"


async def test_a_named_failure_arrives_with_reason_and_variables() -> None:
    """A client can tell what happened, and when to come back."""

    async def lost(_: Call) -> None:
        raise AgentLost("echo", "i1")

    async with house() as here:
        here.script.act = lost
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(say())
        error = refusal(refused.value)
        assert isinstance(error, AgentLost)
        assert (error.code, error.variables["instance"], error.retryable) == ("UNAVAILABLE", "i1", True)


@pytest.mark.parametrize(
    ("request_", "field_"),
    [
        pytest.param(pb.InvokeRequest(), "agent", id="missing"),
        pytest.param(pb.InvokeRequest(agent="No Such Name!"), "agent", id="malformed"),
        (pb.InvokeRequest(agent="echo", capability="../x"), "capability"),
        (pb.InvokeRequest(agent="echo", call_id="not-a-uuid"), "call_id"),
        (pb.InvokeRequest(agent="echo", idempotency_key="k" * 256), "idempotency_key"),
        (
            pb.InvokeRequest(agent="echo", input=payload_pb2.Payload(data=b"x", media_type="m" * 256)),
            "input.media_type",
        ),
    ],
)
async def test_malformed_fields_are_refused_by_name(request_: pb.InvokeRequest, field_: str) -> None:
    """INVALID_ARGUMENT says which field and why."""
    async with house() as here:
        here.script.act = answer
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(request_)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal(refused.value).violations[0][0] == field_


async def test_a_payload_over_the_limit_names_both_numbers() -> None:
    """Just over it, and far over it."""
    async with house() as here:
        here.script.act = answer
        for size in (LIMIT + 1, LIMIT * 3):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(pb.InvokeRequest(agent="echo", input=payload_pb2.Payload(data=b"x" * size)))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            numbers = re.findall(r"\d{6,}", refused.value.details() or "")
            assert len(numbers) == 2


async def test_nobody_unknown_goes_further() -> None:
    """No key, or a wrong one, whether the request is right or wrong."""
    async with house() as here:
        for metadata, request in product(((), (("authorization", "Bearer wrong"),)), (say(), pb.InvokeRequest())):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(request, metadata=metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert not here.script.begun.is_set()


async def test_an_unknown_method_is_refused_by_name() -> None:
    """UNIMPLEMENTED with a reason, for those who are known."""
    async with house() as here:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.raw("/no.such.Service/Method", metadata=KEY)
        assert refusal(refused.value).reason == "RPC_NOT_SERVED"


async def test_an_agent_that_answers_a_unary_call_twice_is_named() -> None:
    """Nothing is guessed from two outputs, nor from none."""

    async def twice(call: Call) -> None:
        await call.reply(Payload({}))
        await call.reply(Payload({}))

    async def never(_: Call) -> None:
        """End without a word."""

    async with house() as here:
        for act in (twice, never):
            here.script.act = act
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(say())
            assert refusal(refused.value).reason == "AGENT_PROTOCOL"


async def test_what_is_wrong_with_a_stream_is_refused() -> None:
    """A key that is too long, and a stream to resume that nobody began."""
    call_id = "0b0f9a44-6f5b-4a64-9c94-b2c1f3a2d001"
    async with house() as here:
        here.script.act = answer
        for request, reason in (
            (pb.InvokeStreamRequest(agent="echo", idempotency_key="k" * 256), "INVALID_INPUT"),
            (pb.InvokeStreamRequest(resume=pb.StreamPosition(call_id=call_id)), "STREAM_NOT_FOUND"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.stream(request).read()
            assert refusal(refused.value).reason == reason


async def test_a_budget_that_makes_no_sense_is_refused_by_its_unit() -> None:
    """And so is what a child would reserve of one."""
    async with house() as here:
        here.script.act = answer
        for request, field in (
            (pb.InvokeRequest(agent="echo", budget={"calls": -1}), "budget.calls"),
            (pb.InvokeRequest(agent="echo", reserve={"Tokens!": 1}), "reserve"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(request)
            assert refusal(refused.value).violations[0][0] == field

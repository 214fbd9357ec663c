"""Calls of a run's steps through the engine's door, as the engine makes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from a2a_node.client.rpcs import CANCEL, INVOKE_STREAM
from a2a_node.client.steps import Steps
from a2a_node.client.values import decoded, encoded
from a2a_node.core.client import Failed, Question, Status
from a2a_node.model.errors import AgentProtocol, DeadlineExceeded, MeshError, NodeUnreachable
from a2a_node.model.payload import Payload
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2 as pb

PARTING = 1.0  # seconds to tell the node that nobody wants a call any more


@dataclass(frozen=True, slots=True)
class StepRequest:
    """What is called, for which step of which run, and for how many seconds."""

    agent: str
    capability: str
    input: object
    key: str
    call_id: str
    run_id: str
    step_id: str
    authority: bytes
    seconds: float


class StepCalls:
    """Makes them on one channel."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def outputs(self, asked: StepRequest) -> AsyncGenerator[object, None]:
        """The outputs as JSON, one for most capabilities; any MeshError. Closing it cancels the call."""
        request = pb.InvokeStreamRequest(
            agent=asked.agent,
            capability=asked.capability,
            input=from_payload(encoded(asked.input)),
            idempotency_key=asked.key,
            call_id=asked.call_id,
            resumable=False,
        )
        said = self._steps.metadata(asked.authority, asked.run_id, asked.step_id)
        question = Question(request.SerializeToString(), asked.seconds, said)
        call = self._steps.channel.answers(INVOKE_STREAM.path, question)
        try:
            while (message := await call.receive()) is not None:
                response = pb.InvokeStreamResponse.FromString(message)
                if not response.HasField("gap"):  # of a repeat that joins late: the newest output is always kept
                    yield _json(asked, to_payload(response.output, "output"))
            if (status := await call.status()).code != "OK":
                raise _named(status, asked.seconds)
        finally:
            if not call.over:
                await self._ended(asked)  # a call with a key goes on without its client
            call.cancel()

    async def _ended(self, asked: StepRequest) -> None:
        """Have a call ended that nobody waits for any more; where that cannot be said it ends by its deadline."""
        request = pb.CancelCallRequest(call_id=asked.call_id, reason="its step has ended")
        said = self._steps.metadata(asked.authority, asked.run_id, asked.step_id)
        with suppress(Failed):
            await self._steps.channel.ask(CANCEL.path, request.SerializeToString(), PARTING, said)


def _json(asked: StepRequest, payload: Payload) -> object:
    value = decoded(payload)
    if isinstance(value, bytes):
        raise AgentProtocol(asked.agent, "its output is not JSON, and a workflow keeps nothing else")
    return value


def _named(status: Status, seconds: float) -> MeshError:
    """The error of a status; one that no node has given means that the node itself is about to end."""
    details = details_of(status)
    error = from_status(status.code, status.details, details)
    if details is None and error.code in ("UNAVAILABLE", "CANCELLED"):
        return NodeUnreachable("the engine's own node")
    if details is None and error.code == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(seconds)
    return error


def details_of(status: Status) -> bytes | None:
    """What a node says of a failure beside its status."""
    return next((value for name, value in status.trailing if name == DETAILS_KEY and isinstance(value, bytes)), None)

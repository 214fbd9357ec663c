"""What an RPC of the contract is: no connection in it, for those who have one of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from a2amesh.v1 import agent_service_pb2 as pb

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

ENVELOPE_BYTES = 64 * 1024  # of a message around its payload
MAX_MESSAGE = 16 * 1024 * 1024 + ENVELOPE_BYTES


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Q, R]):
    """One RPC of the contract: `Service/Method` and its messages."""

    name: str
    request: type[Q]
    response: type[R]

    @property
    def path(self) -> str:
        """Its full name on the wire."""
        return f"/a2amesh.v1.{self.name}"


INVOKE_STREAM = Rpc("AgentService/InvokeStream", pb.InvokeStreamRequest, pb.InvokeStreamResponse)
CANCEL = Rpc("AgentService/CancelCall", pb.CancelCallRequest, pb.CancelCallResponse)

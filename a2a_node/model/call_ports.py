"""What takes a call to its agent, as ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from a2a_node.model.agents import Instance
from a2a_node.model.call import Call, Terms
from a2a_node.model.payload import Payload


class Carrier(Protocol):
    """Takes a call to an instance of one kind: reads `call.requests`, writes `call.reply`, ends when the agent does.

    Raises AgentLost when the instance is lost on the way; a cancelled `carry` cancels the agent.
    """

    def reaches(self, instance: Instance) -> bool:
        """Whether a call to it could begin now."""

    async def carry(self, call: Call, instance: Instance) -> None:
        """Take the call there."""


class Caller(Protocol):
    """Calls agents through the mesh on behalf of an agent at work, whose call the terms' token continues."""

    async def call(self, agent: str, capability: str, payload: Payload, terms: Terms) -> Payload:
        """The one output of a capability; any MeshError."""

    def stream(self, agent: str, capability: str, payload: Payload, terms: Terms) -> AsyncIterator[Payload]:
        """The outputs of a capability; any MeshError."""

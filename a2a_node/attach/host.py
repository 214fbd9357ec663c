"""What is served over an Attach stream, and how; it stays the same from one stream to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from a2a_node.agent import Agent, Context, Threads
from a2a_node.client.tls import Tls
from a2a_node.model.agents import AgentCapability
from a2a_node.model.budget import Spending
from a2a_node.model.call_ports import Caller
from a2a_node.wire.agents import from_descriptor, seconds
from a2amesh.v1 import agent_host_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Options:
    """How an agent is served; spans in seconds."""

    max_calls: int = 1000  # calls that it works on at a time; the node holds back more
    input_credit: int = 16  # inputs of a call that the node may send ahead, at most 1,024
    payload_limit: int = 16 * 1024 * 1024  # bytes of one input or output; what the node takes may be less
    threads: int = 16  # for plain functions
    grace: float = 10.0  # for running calls once it is told to stop
    silence: float = 30.0  # without a frame until the node is taken for lost
    tls: Tls | None = None  # how the node is met; None means as the address and the environment say


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent is attached."""

    node_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class Host:
    """An agent, what it runs with, and through whom it calls others."""

    agent: Agent
    address: str  # of the node
    mesh: Caller
    threads: Threads
    options: Options
    capabilities: Mapping[str, AgentCapability]
    moves: bool = False  # to another node when this one is about to stop

    def hello(self) -> pb.AttachRequest:
        """The first frame of every stream."""
        return pb.AttachRequest(
            hello=pb.AttachHello(
                agent=from_descriptor(self.agent.descriptor),
                input_credit=self.options.input_credit,
                max_calls=self.options.max_calls,
                reads_batches=True,
                payload_limit=self.options.payload_limit,
                moves=self.moves,
            )
        )

    def context(self, call_id: str, start: pb.AttachStart, config: Mapping[str, object]) -> Context:
        """What the agent knows of a call that begins now."""
        left = seconds(start.time_left) if start.HasField("time_left") else float("inf")
        return Context(
            call_id=call_id,
            agent=self.agent.name,
            path=tuple(start.path),
            deadline=monotonic() + left,
            token=start.call_token,
            config=config,
            mesh=self.mesh,
            threads=self.threads,
            spending=Spending(start.budget) if start.budget else None,
        )

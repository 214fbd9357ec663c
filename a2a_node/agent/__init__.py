"""What an agent is: a name and functions, whose type hints say what they take and answer. No gRPC in it."""

from a2a_node.agent.agent import Agent
from a2a_node.agent.context import Context, current
from a2a_node.agent.threads import Threads
from a2a_node.model.errors import AgentRefused
from a2a_node.model.payload import Payload

__all__ = ["Agent", "AgentRefused", "Context", "Payload", "Threads", "current"]

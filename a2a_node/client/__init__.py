"""What a Python program calls the mesh with."""

from a2a_node.client.agents import AgentChange, AgentEntry
from a2a_node.client.audit import CallsMissed, EventGap, TapStarted, Verification, WatchStarted, Witnessed
from a2a_node.client.cache import Missed, Published, Started, Value
from a2a_node.client.connection import Connection
from a2a_node.client.grants import Check
from a2a_node.client.keys import CreatedKey, Token
from a2a_node.client.mesh import CallOptions, MeshClient
from a2a_node.client.nodes import NodeEntry
from a2a_node.client.place import registered
from a2a_node.client.tls import Tls

__all__ = [
    "AgentChange",
    "AgentEntry",
    "CallOptions",
    "CallsMissed",
    "Check",
    "Connection",
    "CreatedKey",
    "EventGap",
    "MeshClient",
    "Missed",
    "NodeEntry",
    "Published",
    "Started",
    "TapStarted",
    "Tls",
    "Token",
    "Value",
    "Verification",
    "WatchStarted",
    "Witnessed",
    "registered",
]

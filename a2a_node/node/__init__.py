"""The node: everything is built here and nowhere else. Only this room and `cli` read the settings."""

from a2a_node import lean  # noqa: F401 - before all that it makes lighter
from a2a_node.node.building import running
from a2a_node.node.handle import Node

__all__ = ["Node", "running"]

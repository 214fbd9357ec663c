"""The node: everything is built here and nowhere else. Only this room and `cli` read the settings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from a2a_node import lean  # noqa: F401 - before all that it makes lighter

if TYPE_CHECKING:
    from a2a_node.node.building import running
    from a2a_node.node.handle import Node

__all__ = ["Node", "running"]

# Imported when they are asked for: the worker is a file of this room, and its process has no use for a whole node.
OFFERED = {"Node": "a2a_node.node.handle", "running": "a2a_node.node.building"}


def __getattr__(name: str) -> object:
    if name not in OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(OFFERED[name]), name)

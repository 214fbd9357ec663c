"""Serving an agent through a node that it dials: no port of its own, one stream, any number of calls."""

from a2a_node.attach.attachment import attach, attached
from a2a_node.attach.host import Options, Place

__all__ = ["Options", "Place", "attach", "attached"]

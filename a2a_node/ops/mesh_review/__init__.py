"""The agent `mesh_review`: who may do what in the mesh, and which keys there are, looked through."""

from a2a_node.ops.mesh_review.agent import made

__all__ = ["made"]

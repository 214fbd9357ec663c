"""What MCP clients ask of a node itself, in the words of its layers."""

from __future__ import annotations

ASK = "/a2amesh.Mcp/Ask"  # the method of every request of theirs; what it does in the mesh is a call of its own besides

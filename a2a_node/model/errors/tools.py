"""Failures of MCP servers."""

from __future__ import annotations

from a2a_node.model.errors.base import MeshError


class ServerNotFound(MeshError):
    """No MCP server of that name was added."""

    code, reason = "NOT_FOUND", "SERVER_NOT_FOUND"

    def __init__(self, server_id: str) -> None:
        super().__init__(f"there is no MCP server {server_id!r}; `a2a-node tools list` lists them", server_id=server_id)


class ServerExists(MeshError):
    """There is an MCP server of that name, and it is not to be replaced."""

    code, reason = "ALREADY_EXISTS", "SERVER_EXISTS"

    def __init__(self, server_id: str) -> None:
        said = f"there is an MCP server {server_id!r} already: choose another name, or replace it (`--replace`)"
        super().__init__(said, server_id=server_id)

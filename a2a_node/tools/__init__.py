"""MCP servers, started, watched and restarted by nodes: each an agent of the mesh, each tool a capability."""

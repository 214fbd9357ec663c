"""MCP out: the mesh's agents as tools for assistants, at `POST /mcp`, through the same layers as every call.

door.py      what HTTP meets: where it may come from, who asks, how much it may send
server.py    the official SDK's server, imported with the first request
catalogue.py the tools that a caller may use, kept as long as nothing changes
calling.py   a tool's call, as a call of an agent or an RPC of the node
"""

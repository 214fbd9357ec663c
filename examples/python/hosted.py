"""An agent inside the node's own process: `PYTHONPATH=examples/python a2a-node up --agent hosted:agent`."""

from __future__ import annotations

from relay import relay_agent

agent = relay_agent("relay-hosted")

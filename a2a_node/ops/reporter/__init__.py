"""The agent `reporter`: one report of all that was found, and a ticket for what somebody has to look at."""

from a2a_node.ops.reporter.agent import made

__all__ = ["made"]

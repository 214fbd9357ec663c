"""The agent `python`: lints, tests and builds Python projects, and tries what was built."""

from a2a_node.ops.python.agent import made

__all__ = ["made"]

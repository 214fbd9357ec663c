"""The agent `scanner`: known vulnerabilities, faults in code, secrets and licences."""

from a2a_node.ops.scanner.agent import made

__all__ = ["made"]

"""The built-in agents that the node hosts."""

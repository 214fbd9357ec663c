"""The agent `site`: Markdown, images and other files to a site that can be served."""

from a2a_node.ops.site.agent import made

__all__ = ["made"]

"""The seams that tests use, shipped so that agents' tests can use them: stores in memory, a clock, a line to cut."""

from a2a_node.testing.clock import Clock
from a2a_node.testing.line import Line, line_to
from a2a_node.testing.registry import MemoryRegistry, MemoryRevisions

__all__ = ["Clock", "Line", "MemoryRegistry", "MemoryRevisions", "line_to"]

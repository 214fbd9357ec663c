"""Traces: OpenTelemetry's context and spans, for the node, for agents wherever they run, and for applications."""

from a2a_node.tracing.exporting import Export, Tracing, exporting
from a2a_node.tracing.traced import traced

__all__ = ["Export", "Tracing", "exporting", "traced"]

"""Series of tools are bounded, whatever servers call theirs."""

from __future__ import annotations

from prometheus_client.registry import CollectorRegistry

from a2a_node.web.tool_meters import OTHER, SERVERS, ToolMeters


def test_calls_are_counted_and_timed_by_server_and_tool() -> None:
    """By how they ended."""
    registry = CollectorRegistry()
    meters = ToolMeters(registry)
    for outcome, seconds in (("ok", 0.5), ("ok", 1.5), ("error", 2.0)):
        meters.ended(("files", "read"), outcome, seconds)
    labels = {"server": "files", "tool": "read"}
    assert registry.get_sample_value("a2a_mcp_tool_calls_total", {**labels, "outcome": "ok"}) == 2
    assert registry.get_sample_value("a2a_mcp_tool_calls_total", {**labels, "outcome": "error"}) == 1
    assert registry.get_sample_value("a2a_mcp_tool_calls_total", {**labels, "outcome": "cancelled"}) == 0
    assert registry.get_sample_value("a2a_mcp_tool_call_seconds_count", labels) == 3
    assert registry.get_sample_value("a2a_mcp_tool_call_seconds_sum", labels) == 4.0


def test_beyond_the_most_all_share_one() -> None:
    """Those that have series of their own keep them."""
    registry = CollectorRegistry()
    meters = ToolMeters(registry, most=2)
    for _ in range(2):
        for tool in range(50):
            meters.ended(("odd", f"tool-{tool}"), "ok", 0.1)
    (family,) = (found for found in registry.collect() if found.name == "a2a_mcp_tool_call_seconds")
    counts = {
        (sample.labels["server"], sample.labels["tool"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_count")
    }
    assert counts == {("odd", "tool-0"): 2, ("odd", "tool-1"): 2, (OTHER, OTHER): 96}


def test_restarts_are_counted_by_server() -> None:
    """Of so many servers; the others are counted together."""
    registry = CollectorRegistry()
    meters = ToolMeters(registry)
    for number in (*range(SERVERS + 50), 0):
        meters.restarted(f"s-{number}")
    (family,) = (found for found in registry.collect() if found.name == "a2a_mcp_server_restarts")
    counts = {sample.labels["server"]: sample.value for sample in family.samples if sample.name.endswith("_total")}
    assert len(counts) == SERVERS + 1
    assert (counts["s-0"], counts["s-1"], counts[OTHER]) == (2, 1, 50)

"""Figures: read when somebody asks, written in the format that they ask for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from a2a_node.web.figures import Figure, Figures


async def test_figures_are_read_anew_for_each_page() -> None:
    """Gauges and counters, plain and by label."""
    numbers = {"hit": 1.0, "miss": 2.0}
    figures = Figures(
        CollectorRegistry(),
        [
            Figure("up", "Whether it is up", lambda: 1.0),
            Figure("looks", "Looks", lambda: numbers, "result", grows=True),
        ],
    )
    page, media_type = await figures.page("text/plain")
    assert media_type.startswith("text/plain")
    assert b"# HELP up Whether it is up\n# TYPE up gauge\nup 1.0\n" in page
    assert b'looks_total{result="hit"} 1.0\n' in page
    numbers["hit"] = 5.0
    assert b'looks_total{result="hit"} 5.0\n' in (await figures.page(""))[0]


async def test_open_metrics_come_when_asked_for() -> None:
    """They end with a mark of their own."""
    figures = Figures(CollectorRegistry(), [Figure("up", "Whether it is up", lambda: 1.0)])
    page, media_type = await figures.page("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")


async def test_what_is_read_of_two_nodes_stays_apart() -> None:
    """Each has a registry of its own."""
    one = Figures(CollectorRegistry(), [Figure("load", "Load", lambda: 1.0)])
    other = Figures(CollectorRegistry(), [Figure("load", "Load", lambda: 2.0)])
    assert b"load 1.0" in (await one.page(""))[0]
    assert b"load 2.0" in (await other.page(""))[0]

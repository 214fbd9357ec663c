"""How work that ends is counted, the same for calls and for tools, so that both stand side by side."""

from __future__ import annotations

OK, ERROR, CANCELLED = OUTCOMES = ("ok", "error", "cancelled")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds

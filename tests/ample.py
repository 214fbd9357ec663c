"""A limit that no test meets by chance: a busy node that misses Redis begins with empty buckets, which fill at once."""

from __future__ import annotations

AMPLE = "100000/s burst 100000"
AMPLE_SETTINGS: dict[str, object] = {"limit_rate": 100_000, "limit_burst": 100_000}
AMPLE_ENVIRON = {f"A2A_{name.upper()}": str(value) for name, value in AMPLE_SETTINGS.items()}

"""The steps of the schema that travel with the code."""

from __future__ import annotations

from a2a_node.store.migrate import HEAD
from a2a_node.store.steps import known


def test_the_head_that_a_start_compares_with_is_the_last_step() -> None:
    """A new migration moves HEAD, or nobody would run it."""
    assert known()[-1].revision == HEAD

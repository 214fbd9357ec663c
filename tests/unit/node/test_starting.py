"""A start while a store is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from a2a_node.model.errors import MeshError, SettingInvalid, StoreUnavailable
from a2a_node.node.starting import patiently


class Starts:
    """What is built, and how each try ends."""

    def __init__(self, failures: Sequence[MeshError]) -> None:
        self._failures = [*failures]
        self.events: list[str] = []

    def building(self) -> Callable[[], AbstractAsyncContextManager[str]]:
        """What `patiently` is given."""
        return asynccontextmanager(self._built)

    async def _built(self) -> AsyncIterator[str]:
        self.events.append("begun")
        if self._failures:
            raise self._failures.pop(0)
        try:
            yield "a node"
        finally:
            self.events.append("unmade")


async def test_a_start_is_tried_again_until_the_stores_are_there() -> None:
    """And what it gave is unmade with the block."""
    starts = Starts([StoreUnavailable("postgres"), StoreUnavailable("redis")])
    async with patiently(starts.building(), patience=60, pause=0) as built:
        assert built == "a node"
        assert starts.events == ["begun"] * 3
    assert starts.events == [*["begun"] * 3, "unmade"]


async def test_a_store_that_stays_away_is_named() -> None:
    """Once the patience is over."""
    starts = Starts([StoreUnavailable("postgres")] * 2)
    with pytest.raises(StoreUnavailable, match="postgres"):
        async with patiently(starts.building(), patience=0, pause=0):
            pass
    assert starts.events == ["begun"]


async def test_what_does_not_get_better_fails_at_once() -> None:
    """A wrong setting, for instance."""
    starts = Starts([SettingInvalid("grpc_port", "is taken")])
    with pytest.raises(SettingInvalid):
        async with patiently(starts.building(), patience=60, pause=0):
            pass
    assert starts.events == ["begun"]


async def test_a_store_that_is_lost_later_starts_nothing_again() -> None:
    """That is the running node's matter."""
    starts = Starts([])
    with pytest.raises(StoreUnavailable):
        async with patiently(starts.building(), patience=60, pause=0):
            raise StoreUnavailable("redis")
    assert starts.events == ["begun", "unmade"]

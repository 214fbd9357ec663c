"""The agent `mesh_review` on a whole node: it tells those who may read grants and keys, and nobody else."""

from __future__ import annotations

import pytest

from a2a_node.model.errors import PermissionDenied
from tests.integration.people import Meet, meet

__all__ = ["meet"]


async def test_a_review_needs_what_the_lists_need(meet: Meet) -> None:
    """Whoever may call the agent sees nothing by it until they may read grants and keys themselves."""
    async with meet(ops=("mesh_review",)) as one:
        await one.dev.grants.give("person:ann", "agent:mesh_review:invoke")
        with pytest.raises(PermissionDenied, match="access:read"):
            await one.ann.call("mesh_review", "review", {})
        await one.dev.grants.give("person:ann", "access:*")
        told = await one.ann.call("mesh_review", "review", {})
        assert isinstance(told, dict)
        rules = {found["rule"]: found for found in told["findings"]}
        assert rules["grant-wide"]["severity"] == "high"
        assert "person:ann may access:*" in rules["grant-wide"]["message"]
        assert not told["passed"]


async def test_a_key_is_told_by_its_id_alone(meet: Meet) -> None:
    """Nothing of it that could be used."""
    async with meet(ops=("mesh_review",)) as one:
        made = await one.dev.keys.create("old", ttl=86_400.0)
        told = await one.dev.call("mesh_review", "review", {})
        assert isinstance(told, dict)
        found = [each for each in told["findings"] if each["place"]["path"] == made.key.id]
        assert [each["rule"] for each in found] == ["key-expires-soon"]
        assert made.secret.rpartition("_")[2] not in str(told)

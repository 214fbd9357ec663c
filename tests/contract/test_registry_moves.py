"""What every registry promises about endpoints that are reached through another node from then on."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from a2a_node.model.errors import InstanceNotFound, NodeNotFound
from a2a_node.model.registry_ports import Registry
from tests.contract.test_registry import ECHO, LEASE, NODE, copy_of, endpoint, registry, revision_of

__all__ = ["registry"]


async def test_an_endpoint_moves_to_another_node_as_it_is(registry: Registry) -> None:
    """With its id and its lease, and a revision of which everybody hears."""
    instance, before = await endpoint(registry), await revision_of(registry)
    await registry.join(replace(NODE, id="n2"), LEASE)
    moved, revision = await registry.move(instance.id, "n2")
    assert (moved, revision) == (replace(instance, node="n2"), before + 2)
    assert [*(await registry.snapshot()).instances] == [moved]
    with pytest.raises(NodeNotFound):
        await registry.move(instance.id, "nowhere")
    hosted, _ = await registry.register(ECHO, "ann", copy_of("echo"))
    for unmoved in (hosted.id, str(uuid4())):
        with pytest.raises(InstanceNotFound):
            await registry.move(unmoved, "n2")

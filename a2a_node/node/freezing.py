"""The kill switch as the builder makes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.access.frozen import Freezing
from a2a_node.access.stopping import Stopping
from a2a_node.access.switch import Switch
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.lingering import Lingering
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.principal import Principal


@dataclass(frozen=True, slots=True)
class Frozen:
    """What enforces freezes here, and what throws the switch for the mesh."""

    stopping: Stopping
    switch: Switch


@asynccontextmanager
async def enforced(
    store: Freezes, work: tuple[Calls, Lingering], directory: Directory, node: tuple[str, frozenset[Principal]]
) -> AsyncIterator[Frozen]:
    """Follow and enforce freezes until the block ends; `node` is its id and those who can always lift a freeze.

    `work` is its calls and what lingers of them.
    """
    async with (
        Freezing.freezes_of(store) as freezing,
        Stopping.enforcing(freezing, store, work, node) as stopping,
    ):
        yield Frozen(stopping, Switch(node[0], store, freezing, directory))

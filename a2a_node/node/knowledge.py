"""What a node knows, and keeps knowing: the mesh, who may do what, who is who, and what has happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from a2a_node.access.decisions import Decisions
from a2a_node.access.following import Following
from a2a_node.access.secrets import Secrets
from a2a_node.access.uses import Uses
from a2a_node.mesh.directory import Directory
from a2a_node.node.auditing import Audited, auditing
from a2a_node.node.identities import Identities, People, knowing
from a2a_node.node.itself import DEVELOPER, Itself
from a2a_node.node.stores import Stores
from a2a_node.wire.seals import Seals


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a node knows."""

    directory: Directory
    grants: Following
    decisions: Decisions
    seals: Seals
    audited: Audited
    identities: Identities


@asynccontextmanager
async def following(itself: Itself, kept: Stores) -> AsyncIterator[Knowledge]:
    """Follow the stores until the block ends; StoreUnavailable when a first look fails."""
    async with AsyncExitStack() as house:
        directory = await house.enter_async_context(Directory.following(kept.registry))
        grants = await house.enter_async_context(Following.grants_of(kept.grants))
        decisions = Decisions(grants, Uses(kept.grants), itself.roots)
        secrets = await house.enter_async_context(Secrets.following(kept.secrets, itself.passphrase))
        audited = await house.enter_async_context(auditing(itself.settings, kept.audit, itself.name))
        people = People({itself.key: DEVELOPER}, decisions.roots, directory.owner_of)
        identities = await house.enter_async_context(knowing(itself.settings, itself.name, kept.keys, people))
        yield Knowledge(directory, grants, decisions, Seals(itself.name, secrets), audited, identities)

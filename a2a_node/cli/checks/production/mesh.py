"""What the mesh knows, asked of it as an administrator: nodes, keys, grants, freezes, limits, servers, the audit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from a2a_node.cli.checks.finding import Finding, fail, ok
from a2a_node.cli.checks.http import met
from a2a_node.cli.checks.item import Item, Verdict, item, needs, unseen, wants
from a2a_node.cli.checks.node import believed
from a2a_node.cli.checks.production import fleet
from a2a_node.client import MeshClient, Verification
from a2a_node.client.freezes import FreezeState
from a2a_node.model.errors import MeshError
from a2a_node.model.grants import Grant
from a2a_node.model.keys import ApiKey
from a2a_node.model.limits import Limit
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.permissions import ANY
from a2a_node.model.servers import Server, ServerStatus
from a2a_node.settings import Settings

T = TypeVar("T")
ANSWERS = "mesh-answers"
PATIENCE = 20.0  # seconds for one question
MOST = 10_000  # of anything that is listed
SHOWN = 5
RECENT = timedelta(days=1)  # of the audit that is verified
BAD = (ServerStatus.FAILED, ServerStatus.QUARANTINED)


@item
def keys_expire(keys: Sequence[ApiKey]) -> Verdict:
    """One that was lost holds for good otherwise."""
    endless = [key.id for key in keys if key.expires_at is None]
    return wants(not endless, f"keys without an end: {few(endless)}", "make new ones with --ttl, and revoke these")


@item
def wide_grants(grants: Sequence[Grant]) -> Verdict:
    """It covers what nobody has thought of yet."""
    wide = [f"{one.permission} to {one.granted_to}" for one in grants if ANY in one.permission.split(":")]
    return wants(not wide, f"grants with a *: {few(wide)}", "give what is needed, and revoke what is not")


@item
def freezes_lifted(freezes: Sequence[FreezeState]) -> Verdict:
    """What somebody has stopped may be missed by now."""
    held = [str(one.freeze.target) for one in freezes]
    return wants(not held, f"frozen: {few(held)}", "`a2a-node freezes` says why; `a2a-node unfreeze ID`")


@item
def limits_set(limits: Sequence[Limit]) -> Verdict:
    """What is not said is the same for everybody, and for everything."""
    return wants(bool(limits), f"{len(limits)} limits are set", "`a2a-node limits set` for what is dear or slow")


@item
def servers_well(servers: Sequence[Server]) -> Verdict:
    """Their tools cannot be called."""
    bad = [f"{server.id} {server.status}" for server in servers if server.status in BAD]
    return needs(
        not bad, f"MCP servers that failed: {few(bad)}", "`a2a-node tools logs NAME`, then restart or remove it"
    )


@item
def audit_whole(found: Verification) -> Verdict:
    """Somebody changed what happened, or removed it."""
    message = f"{found.events} events of the last day in {found.chains} chains, {len(found.breaks)} broken"
    return needs(found.intact, message, "`a2a-node audit verify` names the breaks; find out who writes to Postgres")


async def in_mesh(settings: Settings) -> tuple[Sequence[Finding], int]:
    """All findings about the mesh, and how many nodes it has; one is assumed where it does not answer."""
    address = os.environ.get("A2A_ADDRESS") or f"{met(settings.host)}:{settings.grpc_port}"
    async with MeshClient(address, tls=believed(settings)) as mesh:
        try:
            async with asyncio.timeout(PATIENCE):
                nodes = [one async for one in _nodes(mesh)]
        except (MeshError, TimeoutError) as failure:
            why = failure.message if isinstance(failure, MeshError) else f"no answer within {PATIENCE:.0f} s"
            advice = "start the node; A2A_ADDRESS, A2A_KEY and A2A_TLS_CA say how an administrator reaches it"
            return [fail(ANSWERS, why, advice), *(unseen(name, "the mesh does not answer") for name in NAMES)], 1
        fleet_findings = [check(nodes) for check in fleet.CHECKS]
        rest = [finding async for finding in _rest(mesh)]
    return [ok(ANSWERS, f"{address} answers"), *fleet_findings, *rest], len(nodes)


async def _nodes(mesh: MeshClient) -> AsyncIterator[Node]:
    async for entry in mesh.nodes.list():
        if entry.node.status is not NodeStatus.GONE:
            yield entry.node


async def _rest(mesh: MeshClient) -> AsyncIterator[Finding]:
    yield await looked(keys_expire, listed(mesh.keys.list()))
    yield await looked(wide_grants, listed(mesh.grants.list()))
    yield await looked(freezes_lifted, listed(mesh.freezes.list()))
    yield await looked(limits_set, listed(mesh.limits.list()))
    yield await looked(servers_well, listed(mesh.tools.list()))
    yield await looked(audit_whole, mesh.audit.verify(start=datetime.now(UTC) - RECENT))


async def looked(check: Item[T], reading: Awaitable[T]) -> Finding:
    """What an answer of the mesh means, or why there is none."""
    try:
        async with asyncio.timeout(PATIENCE):
            return check(await reading)
    except MeshError as failure:
        return check.unseen(failure.message)
    except TimeoutError:
        return check.unseen(f"no answer within {PATIENCE:.0f} s")


async def listed(pages: AsyncIterator[T]) -> Sequence[T]:
    """The first ones of a list that may be long."""
    found: list[T] = []
    async for one in pages:
        found.append(one)
        if len(found) == MOST:
            break
    return found


def few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more if names else "none"


NAMES = (
    *(check.name for check in fleet.CHECKS),
    keys_expire.name,
    wide_grants.name,
    freezes_lifted.name,
    limits_set.name,
    servers_well.name,
    audit_whole.name,
)

"""The nodes of the mesh, as they see each other."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.model.nodes import Node, NodeStatus

Fleet = Sequence[Node]


@item
def two_nodes(fleet: Fleet) -> Verdict:
    """One of them may be lost, or upgraded."""
    alive = [node.id for node in fleet if node.status is NodeStatus.ALIVE]
    return needs(len(alive) > 1, f"alive: {', '.join(alive) or 'none'}", "start another one on the same stores")


@item
def two_zones(fleet: Fleet) -> Verdict:
    """A zone may be lost, too."""
    zones = {f"{node.region}/{node.zone}" for node in fleet if node.zone and node.status is NodeStatus.ALIVE}
    message = f"zones: {', '.join(sorted(zones)) or 'none is named'}"
    return needs(len(zones) > 1, message, "spread nodes, and tell each of them its A2A_REGION and A2A_ZONE")


@item
def same_version(fleet: Fleet) -> Verdict:
    """Two at a time while you upgrade, and one after it."""
    versions = {node.version for node in fleet if node.status is not NodeStatus.GONE}
    return wants(len(versions) <= 1, f"versions: {', '.join(sorted(versions))}", "upgrade the others")


@item
def no_suspect(fleet: Fleet) -> Verdict:
    """Its lease ran out: it is lost, or cannot reach Postgres."""
    suspects = [node.id for node in fleet if node.status is NodeStatus.SUSPECT]
    return needs(not suspects, f"suspect: {', '.join(suspects) or 'none'}", "look at its machine, and at its log")


@item
def peers_met(fleet: Fleet) -> Verdict:
    """Nodes call each other there; loopback leads each of them to itself."""
    hosts = {node.id: node.address.rpartition(":")[0].removeprefix("https://") for node in fleet}
    here = [name for name, host in hosts.items() if host in ("127.0.0.1", "localhost", "[::1]")]
    message = f"found at loopback alone: {', '.join(here)}" if here else "each is found at an address of its own"
    return wants(not here, message, "set A2A_ADVERTISE_HOST on each to where others reach it")


CHECKS: Sequence[Item[Fleet]] = (two_nodes, two_zones, same_version, no_suspect, peers_met)

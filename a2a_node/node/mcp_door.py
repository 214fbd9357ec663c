"""The door for MCP, introduced to what is behind it: agents, decisions, and the services' own RPCs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from a2a_node.model.call import Proceed
from a2a_node.node.http_edge import guard_of
from a2a_node.node.issuers import trusted
from a2a_node.node.rooms import Rooms
from a2a_node.pipeline.needs import NEEDS
from a2a_node.settings import Settings, is_loopback
from a2a_node.web.mcp.administration import Administration
from a2a_node.web.mcp.calling import Calling
from a2a_node.web.mcp.catalogue import Catalogue
from a2a_node.web.mcp.door import Door, Rules, opened
from a2a_node.web.mcp.rooms import Rooms as McpRooms
from a2a_node.web.rpcs import Rpcs


@asynccontextmanager
async def mcp_door(rooms: Rooms, folded: tuple[Proceed, Proceed], rpcs: Rpcs) -> AsyncIterator[Door | None]:
    """The door until the block ends; None where the settings close it. `folded` are the layers in and out."""
    settings, (incoming, outgoing) = rooms.settings, folded
    if not is_open(settings):
        yield None
        return
    administration = Administration(rpcs, NEEDS)
    directory = rooms.knowledge.directory
    catalogue = Catalogue(directory, rooms.knowledge.decisions, administration.own)
    calling = Calling(incoming, outgoing, rooms.underway.ids.fresh, directory, settings.payload_limit)
    rules = Rules(
        guard_of(settings),
        [issuer.name for issuer in trusted(settings.issuers)],
        settings.payload_limit,
    )
    behind = McpRooms(catalogue, calling, administration, rpcs, version("a2a-node"))
    async with opened(incoming, rules, behind) as door:
        yield door


def is_open(settings: Settings) -> bool:
    """Whether the node serves MCP: as the settings say, and by default where only this machine reaches it."""
    return settings.mcp == "on" or (settings.mcp == "auto" and is_loopback(settings.http_host))

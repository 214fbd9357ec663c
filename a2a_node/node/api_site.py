"""The JSON face of the services, introduced to what is behind it: their RPCs, and the node at a glance."""

from __future__ import annotations

from importlib.metadata import version

from a2a_node.node.http_edge import guard_of
from a2a_node.node.rooms import Rooms
from a2a_node.services.standing import Standing
from a2a_node.web.api.dashboard import Glance, Glances
from a2a_node.web.api.face import Face, Place
from a2a_node.web.api.site import Site
from a2a_node.web.figures import Figures
from a2a_node.web.live import Bounds, Live
from a2a_node.web.rpcs import Rpcs
from a2a_node.web.sockets import Sockets


def api_site(rooms: Rooms, rpcs: Rpcs, standing: Standing, figures: Figures, sockets: Sockets) -> Site:
    """The API over HTTP; `sockets` counts its WebSockets."""
    glance = Glance(rooms.name, version("a2a-node"), rooms.knowledge.directory, standing.readiness, figures)
    place = Place(rooms.name, rooms.settings.payload_limit)
    bounds = Bounds(rooms.name, rooms.settings.http_websockets, guard_of(rooms.settings))
    live = Live(rpcs, rooms.underway.draining, bounds, sockets)
    return Site(Face(rpcs, rooms.underway.draining, place), Glances(rpcs, glance), live)

"""The JSON face of the services, introduced to what is behind it: their RPCs, and the node at a glance."""

from __future__ import annotations

from importlib.metadata import version

from a2a_node.node.http_edge import guard_of
from a2a_node.node.rooms import Rooms
from a2a_node.services.standing import Standing
from a2a_node.web.api.dashboard import Glance, Glances
from a2a_node.web.api.face import Face
from a2a_node.web.api.site import Site
from a2a_node.web.api.talks import Place
from a2a_node.web.doorway import Bounds, Doorway
from a2a_node.web.figures import Figures
from a2a_node.web.live import Live
from a2a_node.web.rpcs import Rpcs
from a2a_node.web.sockets import Sockets


def api_site(rooms: Rooms, rpcs: Rpcs, standing: Standing, figures: Figures, sockets: Sockets) -> Site:
    """The API over HTTP; `sockets` counts its WebSockets."""
    glance = Glance(rooms.name, version("a2a-node"), rooms.knowledge.directory, standing.readiness, figures)
    place, draining = Place(rooms.name, rooms.settings.payload_limit), rooms.underway.draining
    doorway = Doorway(rpcs, Bounds(rooms.settings.http_websockets, guard_of(rooms.settings)), sockets)
    live = Live(rpcs, draining, doorway, rooms.name)
    return Site(Face(rpcs, draining, place, doorway), Glances(rpcs, glance), live)

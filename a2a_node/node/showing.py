"""The figures that a node shows at `/metrics` and on its page, each read from the room that knows it."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.node.layers import Layers
from a2a_node.node.rooms import Rooms
from a2a_node.web import gauges
from a2a_node.web.certificate_figures import of_certificates
from a2a_node.web.figures import Figure
from a2a_node.web.limit_gauges import of_limits
from a2a_node.web.people import of_people
from a2a_node.web.streams import of_streams
from a2a_node.web.ways import Ways, of_ways


def of_rooms(rooms: Rooms, layers: Layers) -> Sequence[Figure]:
    """What the rooms and the layers of a node tell of themselves."""
    known, streams = rooms.knowledge.identities, rooms.streams
    ways = Ways(rooms.carriers.peers, rooms.underway.arrivals, layers.copies, layers.retry.tries, layers.hedges)
    return (
        *gauges.of_directory(rooms.knowledge.directory),
        *gauges.of_work(_work(rooms)),
        *gauges.of_audit(rooms.knowledge.audited.records()),
        *gauges.of_tracing(rooms.tracing.counts),
        *of_ways(ways),
        *of_streams(streams.writers, streams.outliving, streams.heirs),
        *of_people(known.shown()),
        *of_certificates(known.certificates()),
        *of_limits(rooms.limits.limiter),
    )


def _work(rooms: Rooms) -> gauges.Work:
    carriers, underway = rooms.carriers, rooms.underway
    return gauges.Work(
        underway.calls,
        carriers.hosted,
        carriers.attached,
        carriers.endpoints,
        underway.lookups,
        underway.draining,
        underway.traffic.open_streams,
    )

"""The balance layer: which running copy takes the call.

The nearest ones first: those of this node cost no hop, then those of its zone, of its region, and all others. Among
equals two are taken at random and the one that answers sooner gets the call; so an instance in trouble loses its share
and nobody runs after the one that looks best. As many of its calls as it refuses or fails go to the other one, however
long that takes, or further away, where there is somebody; so do all while its node is late to answer. Instances of a
node that lies in doubt or is about to stop come last.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from a2a_node.mesh.copies import Copies
from a2a_node.mesh.route import Entry, Finds, takes
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import AgentNotFound, NodeNotFound, NoInstance
from a2a_node.model.nodes import Node, NodeStatus

OWN, IN_ZONE, IN_REGION, ELSEWHERE = range(4)
IN_DOUBT, LEAVING = 10, 20  # added to how far it is
CHOICES = 2  # the second brings nearly all of the benefit, and a third one next to nothing
REMEMBERED = 10_000  # agents whose instances are kept in order


class Knows(Finds, Protocol):
    """The directory, as far as it is needed here."""

    @property
    def revision(self) -> int:
        """As of when it is."""

    def node(self, node_id: str) -> Node:
        """A node; NodeNotFound."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this node is."""

    node: str
    region: str = ""
    zone: str = ""

    def distance(self, node: Node) -> int:
        """How far a node is from here."""
        if node.id == self.node:
            return OWN
        if node.region != self.region:
            return ELSEWHERE
        return IN_ZONE if node.zone == self.zone else IN_REGION


Reaches = Callable[[Instance], bool]
Tiers = Sequence[Sequence[Instance]]  # the nearest first


def never(_: Instance) -> bool:
    """No instance is late."""
    return False


class Balance:
    """Picks instances that can be reached and whose breaker is closed, those not tried before if there are any."""

    def __init__(self, directory: Knows, reaches: Reaches, copies: Copies, place: Place, late: Reaches = never) -> None:
        """`late` tells whether the way to an instance is not there yet, and takes longer than it should."""
        self._directory = directory
        self._reaches, self._late = reaches, late
        self._copies = copies
        self._place = place
        self._ordered: dict[str, tuple[Entry, int, Tiers]] = {}

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Pick the instance; NoInstance when none is within reach."""
        call.instance = None
        call.instance = self.picked(call)
        return proceed(call)

    def here(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """The same, of this node's own instances alone: a call that another node has brought goes no further.

        An endpoint that was wanted here is still called from here: the other node has not heard yet that it has moved.
        """
        call.instance = None
        call.instance = self._picked_here(call)
        return proceed(call)

    def _picked_here(self, call: Call) -> Instance:
        """The instance of this node that takes the call; NoInstance."""
        known, now = self._directory.find(call.agent).instances, monotonic()
        if len(known) == 1 and known[0].node == self._place.node and self._takes(known[0], call, now):
            return known[0]
        own = [one for one in known if one.node == self._place.node]
        wanted = [one for one in map(self._ours, known) if one.id == call.wanted and one.node == self._place.node]
        found = self._of_tier(wanted, call, now) or self._of_tier(own, call, now)
        if found is None:
            raise self._nobody(call, own)
        return found

    def _ours(self, instance: Instance) -> Instance:
        """The instance, as reached from this node where it can be."""
        return replace(instance, node=self._place.node) if instance.kind is InstanceKind.ENDPOINT else instance

    def beside(self, call: Call) -> tuple[str, ...] | None:
        """The instances that must not take a second try beside this one; None when there are no others.

        Besides its own they are all that are reached through the same other node, which knows a call once.
        """
        first, now = call.instance, monotonic()
        try:
            entry = self._directory.find(call.agent)
        except AgentNotFound:  # it has left while it works
            return None
        if first is None:
            return None
        far = first.node != self._place.node
        taken = tuple(one.id for one in entry.instances if one.id == first.id or (far and one.node == first.node))
        left = (one for tier in self._tiers(call.agent, entry) for one in tier if one.id not in taken)
        return taken if any(self._takes(one, call, now) for one in left) else None

    def picked(self, call: Call) -> Instance:
        """The instance that takes the call; NoInstance."""
        entry, now = self._directory.find(call.agent), monotonic()
        known = entry.instances
        if len(known) == 1 and not call.tried and self._takes(known[0], call, now) and self._lives(known[0], entry):
            return known[0]  # nobody to compare it with
        spared = again = None
        for tier in self._tiers(call.agent, entry):
            found = self._of_tier(tier, call, now)
            if found is not None and found.id in call.tried:
                again = again or found
            elif found is not None and self._spares(found, now):
                spared = spared or found
            elif found is not None:
                return found
        last = spared or again
        if last is None or (call.beside and spared is None):
            raise self._nobody(call, known)
        return last

    def _spares(self, instance: Instance, now: float) -> bool:
        """Whether the call goes elsewhere, if it can: by chance, as often as the instance refuses or fails."""
        if self._late(instance):
            return True
        illness = self._copies.of(instance.id).score.illness(now)
        return bool(illness) and random.random() < illness  # noqa: S311 - it keeps no secret

    def _of_tier(self, tier: Sequence[Instance], call: Call, now: float) -> Instance | None:
        """The better of two that take calls; one that was tried before only where there is no other."""
        two = some(tier)
        able: Sequence[Instance] = self._able(two, call, now)
        if not able and len(two) < len(tier):
            able = some(self._able(tier, call, now))
        if able:
            return min(able, key=lambda one: (self._spares(one, now), self._copies.of(one.id).score.cost(now)))
        return next((one for one in tier if self._takes(one, call, now)), None) if call.tried else None

    def _able(self, instances: Sequence[Instance], call: Call, now: float) -> list[Instance]:
        return [one for one in instances if one.id not in call.tried and self._takes(one, call, now)]

    def _takes(self, instance: Instance, call: Call, now: float) -> bool:
        able = self._copies.of(instance.id).breaker.allows(now) and self._reaches(instance)
        return able and takes(instance, call)

    def _lives(self, instance: Instance, entry: Entry) -> bool:
        """Whether the node of an agent's only instance has not gone."""
        return instance.node == self._place.node or bool(self._tiers(instance.agent, entry))

    def _tiers(self, agent: str, entry: Entry) -> Tiers:
        """Its instances by distance, put in order once for each change of the directory."""
        seen = self._ordered.get(agent)
        if seen is not None and seen[0] is entry and seen[1] == self._directory.revision:
            return seen[2]
        if len(self._ordered) >= REMEMBERED:
            self._ordered.clear()
        tiers = self._arranged(entry.instances)
        self._ordered[agent] = (entry, self._directory.revision, tiers)
        return tiers

    def _arranged(self, instances: Sequence[Instance]) -> Tiers:
        by_distance: dict[int, list[Instance]] = {}
        for instance in instances:
            distance = self._distance(instance)
            if distance is not None:
                by_distance.setdefault(distance, []).append(instance)
        return [by_distance[distance] for distance in sorted(by_distance)]

    def _distance(self, instance: Instance) -> int | None:
        """How far it is; None when its node is gone."""
        try:
            node = self._directory.node(instance.node)
        except NodeNotFound:
            return None
        if node.status is NodeStatus.GONE:
            return None
        doubt = {NodeStatus.SUSPECT: IN_DOUBT, NodeStatus.DRAINING: LEAVING}
        distance = self._place.distance(node)
        return distance if distance == OWN else distance + doubt.get(node.status, 0)

    def _nobody(self, call: Call, known: Sequence[Instance]) -> NoInstance:
        """The refusal: where it runs, and when to ask again."""
        refusal = NoInstance(call.agent, sorted({one.node for one in known if one.node != self._place.node}))
        now = monotonic()
        waits = [self._copies.of(one.id).breaker.wait(now) for one in known]
        if waits and min(waits) > 0:
            refusal.retry_after = min(waits)
        return refusal


def some(instances: Sequence[Instance]) -> Sequence[Instance]:
    """Two of them at random, and in any order: of two that are equally good neither comes first."""
    if len(instances) <= CHOICES:
        return instances if random.getrandbits(1) else instances[::-1]
    return random.sample(instances, CHOICES)

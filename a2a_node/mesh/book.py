"""What a node knows of the registry, in memory: agents with their instances, and nodes, with an index for filters.

A change is decided first (`step_by`, `step_to`: pure) and then taken (`Book.take`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from a2a_node.mesh.entries import Entry, Mark, Wanted, entries_of
from a2a_node.model.agents import Instance
from a2a_node.model.errors import AgentNotFound, InstanceNotFound, NodeNotFound
from a2a_node.model.nodes import Node
from a2a_node.model.registry_ports import Changes, Snapshot

FEW = 8  # times as many agents as are found, for these to be few


@dataclass(frozen=True, slots=True)
class Step:
    """From one revision to another: what is different, and what is gone."""

    revision: int
    entries: Sequence[Entry] = ()
    removed: Sequence[str] = ()
    nodes: Sequence[Node] = ()
    removed_nodes: Sequence[str] = ()


def step_by(book: Book, changes: Changes) -> Step:
    """What the changes make different; what is already known as it is now is left out."""
    entries = entries_of(changes.agents, changes.instances)
    removed = [name for name in changes.removed_agents if name in book]
    return Step(changes.revision, book.news(entries), removed, changes.nodes, changes.removed_nodes)


def step_to(book: Book, snapshot: Snapshot) -> Step:
    """What makes the book equal to the snapshot."""
    entries = entries_of(snapshot.agents, snapshot.instances)
    there, nodes = {entry.name for entry in entries}, {node.id for node in snapshot.nodes}
    removed = [entry.name for entry in book.agents() if entry.name not in there]
    left = [node.id for node in book.nodes() if node.id not in nodes]
    return Step(snapshot.revision, book.news(entries), removed, snapshot.nodes, left)


class Book:
    """Agents by name, instances and nodes by id, as of one revision."""

    def __init__(self) -> None:
        self.revision = 0
        self._entries: dict[str, Entry] = {}
        self._instances: dict[str, Instance] = {}
        self._nodes: dict[str, Node] = {}
        self._marked: dict[Mark, set[str]] = {}
        self._names: Sequence[str] | None = None  # sorted; None when some came or went

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def find(self, name: str) -> Entry:
        """The agent; AgentNotFound."""
        try:
            return self._entries[name]
        except KeyError:
            raise AgentNotFound(name) from None

    def owner_of(self, name: str) -> str:
        """Who registered the agent; empty where nobody has."""
        entry = self._entries.get(name)
        return "" if entry is None else entry.agent.owner

    def needs_call_token(self, name: str) -> bool:
        """Whether the agent calls others only at work."""
        entry = self._entries.get(name)
        return entry is not None and entry.agent.descriptor.needs_call_token

    def cost_of(self, name: str, capability: str) -> int:
        """The tokens that a call of the capability costs; 1 where nobody has it."""
        entry = self._entries.get(name)
        return 1 if entry is None else entry.agent.descriptor.cost_of(capability)

    def instance(self, instance_id: str) -> Instance:
        """The instance; InstanceNotFound."""
        try:
            return self._instances[instance_id]
        except KeyError:
            raise InstanceNotFound(instance_id) from None

    def has(self, instance_id: str) -> bool:
        """Whether there is such an instance."""
        return instance_id in self._instances

    def node(self, node_id: str) -> Node:
        """The node; NodeNotFound."""
        try:
            return self._nodes[node_id]
        except KeyError:
            raise NodeNotFound(node_id) from None

    def nodes(self) -> Sequence[Node]:
        """All nodes by id."""
        return [self._nodes[node_id] for node_id in sorted(self._nodes)]

    def on_node(self, node_id: str) -> Sequence[Instance]:
        """The instances that are reached through a node."""
        hosts = (self._entries[name] for name in sorted(self._marked.get(("node", node_id), ())))
        return [instance for entry in hosts for instance in entry.instances if instance.node == node_id]

    def serves(self, address: str) -> bool:
        """Whether any instance has that address."""
        return ("address", address) in self._marked

    def agents(self, wanted: Wanted | None = None) -> Sequence[Entry]:
        """The agents that are wanted, by name."""
        marks = wanted.marks() if wanted else ()
        if self._names is None:
            self._names = sorted(self._entries)
        if marks:
            found = set.intersection(*(self._marked.get(mark, set()) for mark in marks))
            few = len(found) * FEW < len(self._names)  # to sort few costs less than to look at all
            return [self._entries[name] for name in (sorted(found) if few else filter(found.__contains__, self._names))]
        return [self._entries[name] for name in self._names]

    def news(self, entries: Iterable[Entry]) -> Sequence[Entry]:
        """Those that are not known as they are."""
        return [entry for entry in entries if entry.name not in self or entry.stamp != self._entries[entry.name].stamp]

    def take(self, step: Step) -> None:
        """Become what the step says."""
        if step.removed or any(entry.name not in self for entry in step.entries):
            self._names = None
        # all that was goes first: what one agent loses, another one may have now
        for name in (*step.removed, *(entry.name for entry in step.entries)):
            self._forget(name)
        for entry in step.entries:
            self._keep(entry)
        for node_id in step.removed_nodes:
            self._nodes.pop(node_id, None)
        self._nodes |= {node.id: node for node in step.nodes}
        self.revision = step.revision

    def renewed(self, instance: Instance) -> None:
        """Know at once of a lease that was renewed through this node; renewals make no revision."""
        if instance.id in self._instances:
            entry = self._entries[instance.agent]
            others = tuple(instance if one.id == instance.id else one for one in entry.instances)
            self._entries[entry.name], self._instances[instance.id] = replace(entry, instances=others), instance

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.name] = entry
        self._instances |= {instance.id: instance for instance in entry.instances}
        for mark in entry.marks():
            self._marked.setdefault(mark, set()).add(entry.name)

    def _forget(self, name: str) -> None:
        entry = self._entries.pop(name, None)
        if entry is None:
            return
        for instance in entry.instances:
            del self._instances[instance.id]
        for mark in entry.marks():
            self._marked[mark].discard(name)
            if not self._marked[mark]:
                del self._marked[mark]

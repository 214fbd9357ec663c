"""The lists of layers: the order of all that happens to a call, with the reason beside each line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from a2a_node.access.spiffe import Spiffe
from a2a_node.mesh.ahead import Ahead
from a2a_node.mesh.balance import Balance
from a2a_node.mesh.balance import Place as Here
from a2a_node.mesh.copies import Copies
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.guard import guard
from a2a_node.mesh.hedge import Hedge, Hedges
from a2a_node.mesh.joining import Joining
from a2a_node.mesh.once import cached, idempotent
from a2a_node.mesh.resumable import resumable
from a2a_node.mesh.retry import Retry
from a2a_node.mesh.route import carry, reach, resolve
from a2a_node.mesh.spans import spanned
from a2a_node.mesh.spending import budgeted
from a2a_node.model.call import Call, Layer, Proceed, folded
from a2a_node.model.errors import AgentNotFound
from a2a_node.node.rooms import Rooms
from a2a_node.pipeline.envelope import EnvelopeRules, Envelopes
from a2a_node.pipeline.limits import Limits as LimitLayer
from a2a_node.pipeline.permit import Permit, Place
from a2a_node.pipeline.steps import Parents
from a2a_node.pipeline.trace import trace


@dataclass(frozen=True, slots=True)
class Layers:
    """The lists of layers, made from the rooms of a node, and what they alone know."""

    rooms: Rooms
    copies: Copies  # of instances, with their breakers
    retry: Retry = field(default_factory=Retry)
    hedges: Hedges = field(default_factory=Hedges)

    def incoming(self) -> Proceed:
        """What every RPC passes, outermost first."""
        rooms, settings, underway, known = self.rooms, self.rooms.settings, self.rooms.underway, self.rooms.knowledge
        rules = EnvelopeRules(settings.default_deadline, settings.max_deadline, settings.max_hops)
        bearer_of = Spiffe(settings.trust_domain).principal
        parents = Parents(underway.calls.parent_of, rooms.itself.engine.key)
        envelopes = Envelopes(rules, parents.of, self._revisits, known.seals, bearer_of)
        place = Place(rooms.name, settings.region, settings.zone)
        return folded(
            [
                trace(rooms.tracing.spans),  # outermost, so that its span covers refusals
                underway.traffic.layer,  # outside auth, so that refusals are counted
                known.audited.account.layer,  # outside auth, so that refusals are told, too
                rooms.streams.outliving.layer,  # around all that ends a call: so it ends one without its client, too
                envelopes.check,  # before anything is spent on the call
                known.identities.auth.check,  # nobody unknown goes further
                rooms.streams.returning.layer,  # before permit: whoever reads on needs what the call's agent asks for
                rooms.frozen.stopping.check,  # before permit: whoever is frozen is told so, whatever they may do
                Permit(
                    known.decisions, place, known.directory
                ).check,  # after auth: what somebody may do depends on who it is
                underway.draining.refuse,  # after auth: only those who are known learn how the node stands
                underway.giving_way.layer,  # after all that refuses without a limit: it counts those that come in
                LimitLayer(
                    known.directory, rooms.limits.rules, rooms.limits.limiter
                ).check,  # after auth, because buckets belong to principals; after all that may refuse without a token
                known.audited.audit.changes,  # innermost: it records what was allowed, and what came of it
            ],
            _rest,
        )

    def outgoing(self) -> Proceed:
        """What every invocation passes on its way to an agent, outermost first."""
        rooms, streams, outcomes, balance = self.rooms, self.rooms.streams, self.rooms.kept.outcomes, self._balance()
        fresh = rooms.underway.ids.fresh
        return folded(
            [
                resolve(self._directory, self._leads()),  # a name that nobody has, or a loop, costs nothing more
                Joining(streams.writers, streams.returning, fresh).layer,  # a repeat joins what is kept
                self._resumable(),  # around tracking, which knows how a cancelled call ended
                streams.chosen.layer,  # below what is kept, which is known by that
                rooms.underway.calls.track,  # around all work, so that it can be cancelled and looked up
                rooms.frozen.stopping.check_again,  # inside tracking: what was frozen meanwhile was not told to stop
                self._budgeted(),  # around whatever may answer, so that no refusal is kept
                idempotent(outcomes),  # above the cache: a kept outcome is an answer, too
                cached(outcomes, rooms.underway.lookups),  # one agent call for many equal ones
                self.retry.layer,  # above balance, so that another try may go elsewhere
                Hedge(balance, self.retry.savings, self.hedges).layer,  # below retry: both tries have to fail first
                balance.layer,  # picks the instance
                guard(self.copies, rooms.awake),  # below balance: it knows one instance
                spanned(rooms.tracing.spans, rooms.name),  # just around the leaf: one span for each try
            ],
            self._carry(),
        )

    def arriving(self) -> Proceed:
        """What a call passes that another node has brought, which keeps its key, its answer and its tries there."""
        rooms = self.rooms
        return folded(
            [
                resolve(self._directory, self._leads()),  # this node may know better by now
                rooms.underway.calls.track,  # its agent gets a token of this node
                rooms.frozen.stopping.check_again,
                self._budgeted(),  # what its agent uses is told to this node
                self._balance().here,  # no call goes from node to node to node
                guard(self.copies, rooms.awake),
                spanned(rooms.tracing.spans, rooms.name),
            ],
            self._carry(),
        )

    @property
    def _directory(self) -> Directory:
        return self.rooms.knowledge.directory

    def _resumable(self) -> Layer:
        streams, limit = self.rooms.streams, self.rooms.settings.payload_limit
        return resumable(streams.writers, self.rooms.underway.calls, streams.returning.events, limit)

    def _leads(self) -> Callable[[Call], None]:
        return Ahead(self._directory).check

    def _budgeted(self) -> Layer:
        return budgeted(self.rooms.kept.budgets, self.rooms.underway.calls.spending_of)

    def _balance(self) -> Balance:
        settings, carriers, name = self.rooms.settings, self.rooms.carriers, self.rooms.name
        reaches = reach(carriers.by_kind(), carriers.peers, name)
        place = Here(name, settings.region, settings.zone)
        return Balance(self._directory, reaches, self.copies, place, carriers.peers.late)

    def _carry(self) -> Proceed:
        return carry(self.rooms.carriers.by_kind(), self.rooms.carriers.peers, self.rooms.name)

    def _revisits(self, agent: str) -> int:
        try:
            return self._directory.find(agent).agent.descriptor.max_revisits
        except AgentNotFound:
            return 0


def _rest(call: Call) -> Awaitable[None]:
    """The end of the incoming layers: what the RPC itself does."""
    return call.rest(call)

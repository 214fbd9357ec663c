"""The two lists of layers: the order of all that happens to a call, with the reason beside each line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from a2a_node.access.decisions import Decisions
from a2a_node.access.spiffe import Spiffe
from a2a_node.access.stopping import Stopping
from a2a_node.mesh.ahead import Ahead
from a2a_node.mesh.balance import Balance
from a2a_node.mesh.balance import Place as Here
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.copies import Copies
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.guard import guard
from a2a_node.mesh.hedge import Hedge, Hedges
from a2a_node.mesh.once import Lookups, cached, idempotent
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.resumable import resumable
from a2a_node.mesh.retry import Retry
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.route import carry, reach, resolve
from a2a_node.mesh.spans import spanned
from a2a_node.mesh.spending import budgeted
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call, Layer, Proceed, folded
from a2a_node.model.errors import AgentNotFound
from a2a_node.model.ports import Budgets, Outcomes
from a2a_node.node.auditing import Audited
from a2a_node.node.carriers import Carriers
from a2a_node.node.limits import Limits
from a2a_node.pipeline.auth import Auth
from a2a_node.pipeline.envelope import EnvelopeRules, Envelopes
from a2a_node.pipeline.limits import Limits as LimitLayer
from a2a_node.pipeline.metrics import Traffic
from a2a_node.pipeline.permit import Permit, Place
from a2a_node.pipeline.trace import trace
from a2a_node.settings import Settings
from a2a_node.tracing.spans import Spans
from a2a_node.wire.awake import Awake
from a2a_node.wire.seals import Seals


@dataclass(frozen=True, slots=True)
class Layers:
    """What the two lists of layers need."""

    settings: Settings
    directory: Directory
    calls: Calls
    draining: Draining
    auth: Auth
    decisions: Decisions
    outcomes: Outcomes
    budgets: Budgets
    carriers: Carriers
    node_id: str
    traffic: Traffic
    lookups: Lookups
    outliving: Outliving
    returning: Returning
    writers: Writers
    stopping: Stopping
    seals: Seals
    audited: Audited
    copies: Copies
    awake: Awake
    retry: Retry
    spans: Spans
    limits: Limits
    hedges: Hedges = field(default_factory=Hedges)

    def incoming(self) -> Proceed:
        """What every RPC passes, outermost first."""
        rules = EnvelopeRules(self.settings.default_deadline, self.settings.max_deadline, self.settings.max_hops)
        bearer_of = Spiffe(self.settings.trust_domain).principal
        envelopes = Envelopes(rules, self.calls.parent_of, self._revisits, self.seals, bearer_of)
        place = Place(self.node_id, self.settings.region, self.settings.zone)
        return folded(
            [
                trace(self.spans),  # outermost, so that its span covers refusals
                self.traffic.layer,  # outside auth, so that refusals are counted
                self.audited.account.layer,  # outside auth, so that refusals are told, too
                self.outliving.layer,  # around all that ends a call, so that it ends a call without its client, too
                envelopes.check,  # before anything is spent on the call
                self.auth.check,  # nobody unknown goes further
                self.returning.layer,  # before permit: whoever reads on needs what the call's agent asks for
                self.stopping.check,  # before permit: whoever is frozen is told so, whatever they may do
                Permit(
                    self.decisions, place, self.directory
                ).check,  # after auth: what somebody may do depends on who it is
                self.draining.refuse,  # after auth: only those who are known learn how the node stands
                LimitLayer(
                    self.directory, self.limits.rules, self.limits.limiter
                ).check,  # after auth, because buckets belong to principals; after all that may refuse without a token
                self.audited.audit.changes,  # innermost: it records what was allowed, and what came of it
            ],
            _rest,
        )

    def outgoing(self) -> Proceed:
        """What every invocation passes on its way to an agent, outermost first."""
        balance = self._balance()
        return folded(
            [
                resolve(self.directory, self._leads()),  # a name that nobody has, or a loop, costs nothing more
                self._resumable(),  # around tracking, which knows how a cancelled call ended
                self.calls.track,  # around all work, so that it can be cancelled and looked up
                self.stopping.check_again,  # inside tracking: what was frozen meanwhile was not told to stop
                self._budgeted(),  # around whatever may answer, so that no refusal is kept
                idempotent(self.outcomes),  # above the cache: a kept outcome is an answer, too
                cached(self.outcomes, self.lookups),  # one agent call for many equal ones
                self.retry.layer,  # above balance, so that another try may go elsewhere
                Hedge(balance, self.retry.savings, self.hedges).layer,  # below retry: both tries have to fail first
                balance.layer,  # picks the instance
                guard(self.copies, self.awake),  # below balance: it knows one instance
                spanned(self.spans, self.node_id),  # just around the leaf: one span for each try
            ],
            self._carry(),
        )

    def arriving(self) -> Proceed:
        """What a call passes that another node has brought, which keeps its key, its answer and its tries there."""
        return folded(
            [
                resolve(self.directory, self._leads()),  # this node may know better by now
                self.calls.track,  # its agent gets a token of this node
                self.stopping.check_again,
                self._budgeted(),  # what its agent uses is told to this node
                self._balance().here,  # no call goes from node to node to node
                guard(self.copies, self.awake),
                spanned(self.spans, self.node_id),
            ],
            self._carry(),
        )

    def _resumable(self) -> Layer:
        return resumable(self.writers, self.calls, self.returning.events)

    def _leads(self) -> Callable[[Call], None]:
        return Ahead(self.directory).check

    def _budgeted(self) -> Layer:
        return budgeted(self.budgets, self.calls.spending_of)

    def _balance(self) -> Balance:
        reaches = reach(self.carriers.by_kind(), self.carriers.peers, self.node_id)
        here = Here(self.node_id, self.settings.region, self.settings.zone)
        return Balance(self.directory, reaches, self.copies, here)

    def _carry(self) -> Proceed:
        return carry(self.carriers.by_kind(), self.carriers.peers, self.node_id)

    def _revisits(self, agent: str) -> int:
        try:
            return self.directory.find(agent).agent.descriptor.max_revisits
        except AgentNotFound:
            return 0


async def _rest(call: Call) -> None:
    """The end of the incoming layers: what the RPC itself does."""
    await call.rest(call)

"""Request inspection: the rules are asked before anything else looks at a request; what they keep out is audited.

Health and metrics are let by, so that they cost nothing and no rule can take a node out of its rotation.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_node.audit.refusals import Refusals
from a2a_node.model.audit import AuditDecision, AuditOutcome, Fact, plain
from a2a_node.model.errors import BodyTooLarge, MeshError, RequestBlocked, TooManyRequests
from a2a_node.web.edge import habits as why
from a2a_node.web.edge.bodies import limited
from a2a_node.web.edge.habits import Counts
from a2a_node.web.edge.rules import Rule, Seen

ACTION = "http:request"
QUIET = frozenset(("/healthz", "/readyz", "/metrics"))


class Inspection:
    """The layer; `refusals` are those of the audit, which keeps equal ones together."""

    def __init__(self, app: ASGIApp, rules: Sequence[Rule], counts: Counts, refusals: Refusals) -> None:
        self._app, self._rules, self._counts, self._refusals = app, rules, counts, refusals
        counts.blocked.update({rule.name: 0 for rule in rules})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; RequestBlocked, TooManyRequests, and BodyTooLarge also later."""
        if scope["path"] not in QUIET:
            receive = self._inspected(scope, receive)
        await self._app(scope, receive, send)

    def _inspected(self, scope: Scope, receive: Receive) -> Receive:
        seen = Seen.of(scope)
        for rule in self._rules:
            if not rule.applies(seen):
                continue
            if rule.finds(seen):
                raise self._blocked(scope, rule, RequestBlocked(rule.name, rule.about))
            if rule.rate is not None and (seconds := rule.rate.wait(seen.address)):
                raise self._blocked(scope, rule, TooManyRequests(rule.name, seconds))
            if rule.body is not None:
                receive = self._bounded(scope, receive, rule, seen.size)
        return receive

    def _bounded(self, scope: Scope, receive: Receive, rule: Rule, size: int) -> Receive:
        limit = rule.body or 0
        return limited(receive, limit, size, lambda: self._blocked(scope, rule, BodyTooLarge(limit)))

    def _blocked(self, scope: Scope, rule: Rule, failure: MeshError) -> MeshError:
        """The failure itself, once it is counted and told."""
        self._counts.turned_away(why.BLOCKED)
        self._counts.blocked[rule.name] += 1
        client = scope.get("client")
        address = client[0] if client else ""

        def fact() -> Fact:
            return Fact(
                ACTION,
                AuditDecision.REFUSED,
                AuditOutcome.REFUSED,
                failure.reason,
                target=f"rule:{rule.name}",
                ip_address=address,
                user_agent=plain(Headers(scope=scope).get("user-agent", "")),
                metadata={"method": plain(scope.get("method", "GET"), 20), "path": plain(scope["path"])},
            )

        self._refusals.refused((address, "", failure.reason, f"{ACTION} {rule.name}"), fact)
        return failure

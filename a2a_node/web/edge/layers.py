"""The order of what every request over HTTP passes, with the reason beside each line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from starlette.types import ASGIApp

from a2a_node.audit.refusals import Refusals
from a2a_node.web.edge.bodies import Bodies, Passing
from a2a_node.web.edge.failures import Failures
from a2a_node.web.edge.habits import Counts, Habits
from a2a_node.web.edge.headers import Headers
from a2a_node.web.edge.inspection import Inspection
from a2a_node.web.edge.rules import Rule

Around = Callable[[ASGIApp], ASGIApp]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT = ("authorization", "x-api-key", "a2a-timeout", "idempotency-key", "traceparent", "tracestate", "baggage",
        "last-event-id", "mcp-protocol-version", "mcp-session-id")  # fmt: skip
SHOWN = ("a2a-api-version", "deprecation", "sunset", "link", "retry-after", "mcp-session-id", "www-authenticate")


@dataclass(frozen=True, slots=True)
class Edge:
    """What stands around the application."""

    rules: Sequence[Rule]
    refusals: Refusals
    habits: Habits = field(default_factory=Habits)
    counts: Counts = field(default_factory=Counts)
    origins: tuple[str, ...] = ()  # whose pages may read answers; none means that no page of another site may
    proxies: tuple[str, ...] = ()  # addresses and networks whose word on where a request comes from is taken

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application within, outermost first."""
        layers: Sequence[Around] = [
            *self._proxied(),  # first, so that all others see where a request really comes from
            Headers,  # around all that answers, refusals and preflights too
            Passing,  # around all that answers, too: an answer ends when its request has passed
            *self._shared(),  # around refusals, so that pages of other sites can read those as well
            partial(Failures, counts=self.counts),  # around all that refuses
            partial(Inspection, rules=self.rules, counts=self.counts, refusals=self.refusals),  # before any work
            partial(
                Bodies, limit=self.habits.body_bytes, counts=self.counts
            ),  # innermost: a rule may have a lower limit
        ]
        for layer in reversed(layers):
            app = layer(app)
        return app

    def _proxied(self) -> Sequence[Around]:
        if not self.proxies:
            return ()
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: PLC0415 - most nodes have none

        # uvicorn writes the same types in words of its own
        return (cast("Around", partial(ProxyHeadersMiddleware, trusted_hosts=list(self.proxies))),)

    def _shared(self) -> Sequence[Around]:
        if not self.origins:
            return ()
        from a2a_node.web.edge.sharing import Sharing  # noqa: PLC0415 - the same

        return (
            partial(
                Sharing,
                allow_origins=self.origins,
                allow_methods=METHODS,
                allow_headers=SENT,
                expose_headers=SHOWN,
            ),
        )

"""The likely causes: rules on the evidence, each with how sure it is, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from a2a_node.model.tools import AGENT_PREFIX
from a2a_node.ops.incidents.grouping import TOO_FAST
from a2a_node.ops.incidents.words import Cause, Deviation, Edge, Evidence, Group, Remedy

MOST = 5
EXPLAINS = 0.5  # of a caller's failures or time, that calls further down must make up to be the cause
ABSENT = ("NO_INSTANCE", "AGENT_NOT_FOUND", "AGENT_DISABLED", "AGENT_LOST", "CAPABILITY_NOT_FOUND")
DENIED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "FROZEN")
CROWDED = (TOO_FAST, "AGENT_OVERLOADED")
DEEPEST = 16
LEAST, WELL = 5, 0.05  # calls by which a copy of an agent is judged, and the share of them that may fail


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of an incident."""

    deviations: Sequence[Deviation]
    evidence: Evidence

    @property
    def failed(self) -> Sequence[Group]:
        """The groups of calls that failed."""
        return [group for group in self.evidence.groups if group.source == "calls"]

    def share(self, *reasons: str) -> float:
        """How much of the failures has one of these reasons."""
        whole = sum(group.count for group in self.failed)
        return sum(group.count for group in self.failed if group.what in reasons) / whole if whole else 0.0

    def below(self, agent: str) -> Sequence[Edge]:
        """Whom an agent called."""
        return [edge for edge in self.evidence.edges if edge.caller == agent and edge.agent != agent]

    def calls_of(self, agent: str) -> Sequence[Edge]:
        """The calls of an agent, whoever made them."""
        return [edge for edge in self.evidence.edges if edge.agent == agent]

    def rate(self, agent: str) -> float:
        """Calls a second that came to an agent."""
        span = max(1.0, self.evidence.until - self.evidence.since)
        return sum(edge.calls for edge in self.calls_of(agent)) / span


def likely(case: Case) -> Sequence[Cause]:
    """The causes that the evidence speaks for, the surest first; one at least, if it is only that none is known."""
    found = {(cause.kind, cause.agent): cause for rule in RULES for cause in rule(case)}
    causes = sorted(found.values(), key=lambda cause: (-cause.confidence, cause.kind, cause.agent))
    if not causes and case.deviations:
        why = ["metrics left their baseline, and nothing that was kept of the window explains it"]
        return [Cause(kind="unknown", confidence=0.0, why=why)]
    return causes[:MOST]


def _failing(case: Case) -> Iterator[Cause]:
    """An agent whose calls fail, unless those that it makes fail themselves."""
    for one in case.deviations:
        if one.kind != "error_rate":
            continue
        groups = [group for group in case.failed if group.agent == one.agent and group.what not in CROWDED]
        gone = [group for group in groups if group.what in (*ABSENT, *DENIED)]
        if not groups or 2 * sum(group.count for group in gone) >= sum(group.count for group in groups):
            continue
        guilty, way = _deepest(case, one.agent, lambda edge: edge.failed)
        reasons = ", ".join(f"{group.what} ({group.count})" for group in groups[:3])
        why = [f"{one.agent}.{one.capability} fails: {one.why}", f"its calls end with {reasons}"]
        if guilty != one.agent:
            why.append(f"the failures come from below: {' calls '.join(way)}")
        elif called := case.below(one.agent):
            why.append(f"what it calls does not fail: {', '.join(sorted({edge.agent for edge in called}))}")
        sure = min(0.95, 0.6 + 0.35 * one.value)
        remedy, because = _against(case, guilty)
        why += because
        yield Cause(kind="agent_failing", agent=guilty, confidence=round(sure, 2), why=why, remedy=remedy)


def _slow(case: Case) -> Iterator[Cause]:
    """An agent whose calls take longer, unless those that it makes do."""
    for one in case.deviations:
        if one.kind != "latency":
            continue
        guilty, way = _deepest(case, one.agent, lambda edge: edge.seconds)
        why = [f"{one.agent}.{one.capability} is slow: {one.why}"]
        if guilty != one.agent:
            why.append(f"most of its time goes into the calls that it makes: {' calls '.join(way)}")
        rate = max(0.1, round(case.rate(guilty) / 2, 2))
        remedy = _restarted(guilty) or Remedy(action="lower_limit", agent=guilty, rate=rate, burst=max(1, round(rate)))
        sure = 0.7 if guilty == one.agent else 0.75
        yield Cause(kind="agent_slow", agent=guilty, confidence=sure, why=why, remedy=remedy)


def _crowded(case: Case) -> Iterator[Cause]:
    """More calls than an agent takes, mostly of one caller."""
    for group in case.failed:
        if group.what in CROWDED and case.share(*CROWDED) >= EXPLAINS:
            why = [f"{group.count} calls of {group.agent}.{group.capability} were refused: {group.what}"]
            alone = group.principal_share >= EXPLAINS
            if alone:
                why.append(f"{group.principal_share:.0%} of them are {group.principal}'s")
            rate = max(0.1, round(case.rate(group.agent) / 4, 2))
            remedy = Remedy(
                action="lower_limit",
                agent=group.agent,
                principal=group.principal if alone else "",
                rate=rate,
                burst=max(1, round(rate)),
            )
            yield Cause(
                kind="too_many_calls",
                agent=group.agent,
                capability=group.capability,
                principal=group.principal if alone else "",
                confidence=round(0.5 + 0.4 * group.principal_share, 2),
                why=why,
                remedy=remedy,
            )


def _absent(case: Case) -> Iterator[Cause]:
    """Calls of what is not there."""
    for group in case.failed:
        if group.what in ABSENT and case.share(*ABSENT) >= EXPLAINS:
            why = [f"{group.count} calls of {group.agent} ended with {group.what}: nobody serves it"]
            remedy = _restarted(group.agent) or Remedy()
            yield Cause(kind="agent_absent", agent=group.agent, confidence=0.85, why=why, remedy=remedy)


def _denied(case: Case) -> Iterator[Cause]:
    """Callers who may not, or not any more."""
    for group in case.failed:
        if group.what in DENIED and case.share(*DENIED) >= EXPLAINS:
            who = group.principal or "nobody known"
            why = [f"{group.count} calls of {group.agent} ended with {group.what}, most of them by {who}"]
            why.append("a grant or a key has likely ended, or somebody tries doors")
            yield Cause(kind="not_permitted", agent=group.agent, principal=group.principal, confidence=0.8, why=why)


def _stores(case: Case) -> Iterator[Cause]:
    """A store that is away."""
    lines = [group for group in case.evidence.groups if group.source == "log" and "store" in group.what.lower()]
    share = case.share("STORE_UNAVAILABLE")
    if share >= EXPLAINS:
        why = [
            f"{share:.0%} of the failures are STORE_UNAVAILABLE",
            *(f"the log says: {one.what}" for one in lines[:2]),
        ]
        yield Cause(kind="store_away", confidence=0.9 if lines else 0.8, why=why)


def _memory(case: Case) -> Iterator[Cause]:
    """A process that grows."""
    for one in case.deviations:
        if one.kind == "memory":
            yield Cause(kind="memory_growth", confidence=0.5, why=[one.why, "what holds it is not known from outside"])


def _logged(case: Case) -> Iterator[Cause]:
    """Errors that the log tells of; what is behind them people find by its lines."""
    for one in case.deviations:
        if one.kind == "log_errors":
            said = [group for group in case.evidence.groups if group.source == "log" and group.agent == one.agent]
            why = [one.why, *(f"the log says {group.count} x {group.what}" for group in said[:3])]
            yield Cause(kind="errors_logged", agent=one.agent, confidence=0.5, why=why)


RULES: Sequence[Callable[[Case], Iterator[Cause]]] = (
    _failing,
    _slow,
    _crowded,
    _absent,
    _denied,
    _stores,
    _memory,
    _logged,
)


def _against(case: Case, agent: str) -> tuple[Remedy, Sequence[str]]:
    """What helps against an agent that fails, and why: the least of what is likely to."""
    if restarted := _restarted(agent):
        return restarted, ["it is an MCP server, which is begun anew by a restart"]
    copies = [place for place in case.evidence.places if place.agent == agent]
    ill = [place for place in copies if place.calls >= LEAST and place.failed >= EXPLAINS * place.calls]
    well = [place for place in copies if place.failed <= WELL * place.calls]
    if len(ill) == 1 and well and len(well) == len(copies) - 1:  # who fails fast may have all the calls
        (one,) = ill
        why = f"of its {len(copies)} copies {one.instance} alone fails: {one.failed} of {one.calls} calls"
        return Remedy(action="drain_instance", agent=agent, instance=one.instance), [why]
    return Remedy(action="disable_agent", agent=agent), []


def _restarted(agent: str) -> Remedy | None:
    """To restart the MCP server that an agent is, where it is one."""
    server = agent.removeprefix(AGENT_PREFIX)
    return None if server == agent else Remedy(action="restart_server", agent=agent, server=server)


def _deepest(case: Case, agent: str, weight: Callable[[Edge], float]) -> tuple[str, Sequence[str]]:
    """Down the calls, as long as one agent below makes up most of what the one above weighs; and the way there."""
    way = [agent]
    while len(way) < DEEPEST:
        whole = sum(map(weight, case.calls_of(way[-1])))
        below = max(case.below(way[-1]), key=weight, default=None)
        if below is None or below.agent in way or weight(below) < max(EXPLAINS * whole, 1e-9):
            break
        way.append(below.agent)
    return way[-1], way

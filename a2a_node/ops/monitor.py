"""The agent `monitor`: notices incidents, explains them, acts against them, and writes down what happened."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from time import time
from typing import Annotated

from pydantic import Field

from a2a_node.agent import Agent, Context
from a2a_node.model.audit import AuditFilter, Span
from a2a_node.model.ops_ports import Deed, MeshChanges
from a2a_node.model.principal import Principal
from a2a_node.ops.incidents import grouping, remedies, timeline, traces, verdict
from a2a_node.ops.incidents.answers import Detection, Explanation, Opened, Written
from a2a_node.ops.incidents.causes import Case, likely
from a2a_node.ops.incidents.detecting import Seen, deviations
from a2a_node.ops.incidents.logged import LONGEST, Heard
from a2a_node.ops.incidents.record import Entry, Incident, IncidentId, Records
from a2a_node.ops.incidents.senses import Hands, Senses
from a2a_node.ops.incidents.words import Cause, Deviation, Evidence, Group, Remedy, Severity, worst
from a2a_node.ops.workplace import Workplace

TAP, EVENTS = "/a2amesh.v1.AuditService/TapCalls", "/a2amesh.v1.AuditService/ListEvents"
MOST_GROUPS, MOST_EDGES, MOST_PLACES, MOST_EVENTS = 50, 50, 100, 1_000
Moment = Annotated[float, Field(ge=0, description="Seconds since the epoch.")]
Window = Annotated[float, Field(gt=0, le=1_000, description="Seconds before now that are looked at.")]


def made(workplace: Workplace, senses: Senses, hands: Hands) -> Agent:
    """The agent, on a workspace, with what it hears and may do."""
    agent = Agent(
        "monitor",
        version="1.0.0",
        description="Notices when its node leaves its baseline, names the likely cause, acts for its caller and tells.",
        category="operations",
        tags=("built-in", "ops"),
    )
    records = Records(workplace)
    _looking(agent, senses, hands)
    _recording(agent, records)
    _acting(agent, senses, hands.changes, records)
    return agent


def _looking(agent: Agent, senses: Senses, hands: Hands) -> None:
    deputy, changes = hands.deputy, hands.changes

    @agent.capability(idempotent=True)
    async def mark() -> dict[str, float]:
        """Take a reading of the metrics now, from which a later look can start: `at`, seconds since the epoch."""
        return {"at": senses.history.take().at}

    @agent.capability
    async def detect(
        since: Annotated[float, Field(ge=0, description="From when on; absent means `window` before now.")] = 0.0,
        window: Window = 60.0,
        least_calls: Annotated[int, Field(ge=5, le=100_000, description="Calls that make an agent judged.")] = 20,
    ) -> Detection:
        """Compare this node's metrics and the errors in its log of a window with those before, of twenty minutes."""
        now = time()
        start = since or now - window
        before, after = senses.history.around(start)
        heard = Heard(senses.logs.since(start - LONGEST), senses.logs.complete_from(), start, now)
        found = deviations(Seen(before, after, least_calls, heard))
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
        return Detection(
            found=bool(found),
            id=f"inc-{stamp}-{secrets.token_hex(3)}",
            severity=worst(found),
            since=start,
            until=now,
            deviations=list(found),
        )

    @agent.capability(idempotent=True)
    async def gather(since: Moment, context: Context, until: Moment = 0.0) -> Evidence:
        """What is kept of a window: calls, log and audit, alike ones together, and traces of some calls as trees.

        Its callers need `audit:read`.
        """
        terms, end = remedies.terms_of(context), until or time()

        async def seen(_: Principal) -> Evidence:
            every = await senses.calls.since(0)  # calls of a trace may end outside of the window
            calls = [call for call in every if since < call.ended_at <= end]
            lines = [line for line in senses.logs.since(since) if line.at <= end]
            groups = await asyncio.to_thread(lambda: grouping.failures(calls) + grouping.messages(lines))
            edges = await asyncio.to_thread(grouping.edges, calls)
            found = Evidence(since=since, until=end, calls=len(calls), groups=groups, edges=edges)
            trees = await asyncio.to_thread(traces.examples, every, calls, groups)
            places = grouping.places(calls, changes.copies)[:MOST_PLACES]
            return found.model_copy(update={"places": places, "traces": trees})

        async def told(_: Principal) -> list[Group]:
            span = Span(datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(end, UTC))
            return grouping.refusals(await senses.audit.list(AuditFilter(), span, None, MOST_EVENTS))

        found = await deputy.act(Deed(TAP), terms, seen)
        groups = found.groups + await deputy.act(Deed(EVENTS), terms, told)
        notes = [] if found.calls else ["no call of an agent ended in the window, or none of them is kept any more"]
        kept = {"groups": groups[:MOST_GROUPS], "edges": found.edges[:MOST_EDGES]}
        return found.model_copy(update={**kept, "left_out": max(0, len(groups) - MOST_GROUPS), "notes": notes})


def _recording(agent: Agent, records: Records) -> None:
    @agent.capability(idempotent=True)
    async def explain(
        deviations: Annotated[list[Deviation], Field(max_length=500)],
        evidence: Evidence,
        approve_above: Annotated[Severity, Field(description="The worst that is acted on without approval.")] = (
            Severity.LOW
        ),
        least_confidence: Annotated[
            float, Field(ge=0, le=1, description="How sure a cause must be to act on it.")
        ] = 0.6,
    ) -> Explanation:
        """Name the likely causes, each with its confidence and why, and the remedy of the first."""
        causes = list(likely(Case(deviations, evidence)))
        severity, order = worst(deviations), list(Severity)
        first = causes[0] if causes else Cause(kind="none", confidence=0, why=[])
        remedy = first.remedy if first.confidence >= least_confidence else Remedy()
        whose = f" of {first.agent}" if first.agent else ""
        return Explanation(
            causes=causes,
            remedy=remedy,
            severity=severity,
            needs_approval=remedy.action != "none" and order.index(severity) > order.index(approve_above),
            summary=f"{first.kind}{whose}, {first.confidence:.0%} sure; remedy: {remedy.action}",
        )

    @agent.capability(idempotent=True)
    async def open_incident(
        incident: IncidentId, detection: Detection, evidence: Evidence, explanation: Explanation
    ) -> Opened:
        """Keep an incident in the workspace; opened again under its id, it is the same one."""
        first = explanation.causes[0] if explanation.causes else Cause(kind="nothing found", confidence=0, why=[])
        title = f"{first.kind} {first.agent}".strip()
        kept = Incident(
            id=incident,
            title=title,
            severity=detection.severity,
            since=detection.since,
            opened_at=detection.until,
            deviations=detection.deviations,
            evidence=evidence,
            causes=explanation.causes,
            entries=[Entry(at=detection.until, what=f"opened, {detection.severity}: {explanation.summary}")],
        )
        return Opened(id=incident, severity=detection.severity, path=await records.write(kept), title=title)

    @agent.capability(idempotent=True)
    async def write_timeline(
        incident: IncidentId,
        verification: verdict.Verdict,
        entries: Annotated[list[Entry], Field(max_length=50, description="What was done, besides.")] = [],  # noqa: B006 - pydantic copies it
    ) -> Written:
        """Close an incident, or leave it open when it still fails, and write its timeline as Markdown and JSON."""
        found = await records.read(incident)
        for entry in (*entries, Entry(at=time(), what=f"verified: {verification.verdict}; {verification.why}")):
            found = timeline.entered(found, entry)
        status = "resolved" if verification.verdict == "recovered" else "open"
        found = found.model_copy(update={"status": status})
        await records.write(found)
        markdown = await records.put(incident, "timeline.md", timeline.markdown(found))
        told = timeline.told(found)
        where = await records.put(incident, "timeline.json", told.model_dump_json(indent=2))
        return Written(status=status, markdown=markdown, json_path=where, moments=len(told.moments))


def _acting(agent: Agent, senses: Senses, changes: MeshChanges, records: Records) -> None:
    @agent.capability
    async def remediate(incident: IncidentId, remedy: Remedy, context: Context) -> remedies.Done:
        """Restart an MCP server, drain a copy of an agent or a node, disable an agent, or lower a limit.

        Its callers need the permission of the RPC that does it: `tool:control`, `registry:write`, `node:drain`,
        `limit:write`.
        """
        found = await records.read(incident)
        done = await remedies.applied(changes, context, remedy)
        done = done.model_copy(update={"at": time()})
        await records.write(timeline.entered(found, Entry(at=done.at, what=f"remedy: {done.what}")))
        return done

    @agent.capability
    async def take_back(incident: IncidentId, done: remedies.Done, context: Context) -> dict[str, str]:
        """Take back what `remediate` has done; its callers need the same permission."""
        found = await records.read(incident)
        what = await remedies.undone(changes, context, done)
        await records.write(timeline.entered(found, Entry(at=time(), what=f"taken back: {what}")))
        return {"what": what}

    @agent.capability
    async def verify(
        deviations: Annotated[list[Deviation], Field(max_length=500)],
        remedy: Remedy,
        seconds: Annotated[float, Field(gt=0, le=600, description="How long calls are watched.")] = 30.0,
    ) -> verdict.Verdict:
        """Watch the calls of this node for a while, and say whether they are back in the baseline."""
        begun = time()
        await asyncio.sleep(seconds)  # this is the watching: calls come meanwhile
        return verdict.judged(deviations, remedy, await senses.calls.since(begun))

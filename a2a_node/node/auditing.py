"""What happened: the recorder and its two halves, those who watch, the tap, and the lines of the access log."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from a2a_node.audit.recording import Recorder, Rules
from a2a_node.audit.refusals import Refusals
from a2a_node.audit.tap import Tap
from a2a_node.audit.watching import Watching
from a2a_node.mesh.background import background
from a2a_node.model.audit import Fact
from a2a_node.model.audit_ports import AuditLog
from a2a_node.pipeline.access_log import AccessLog, as_json, as_text
from a2a_node.pipeline.account import Account, Told
from a2a_node.pipeline.audit import Audit
from a2a_node.pipeline.endings import Ending
from a2a_node.pipeline.recent import Recent
from a2a_node.settings import Settings
from a2a_node.web.gauges import Records


@dataclass(frozen=True, slots=True)
class Audited:
    """What the layers, the service and the figures need."""

    recorder: Recorder
    refusals: Refusals
    watching: Watching
    tap: Tap
    audit: Audit
    account: Account
    lines: AccessLog | None
    recent: Recent | None  # for ops agents; None where a node hosts none

    def records(self) -> Records:
        """What figures are read from."""
        lines = self.lines
        dropped = (lambda: lines.dropped) if lines is not None else (lambda: 0)
        return Records(self.recorder, self.refusals, self.watching, self.tap, dropped)


@contextmanager
def _lived(recorder: Recorder, node_id: str) -> Iterator[None]:
    """The node's own events: that it started, and stopped in order; one that was killed has no second one."""
    itself = f"node:{node_id}"
    recorder.put(Fact("node:start", target=itself, user_id=itself))
    try:
        yield
    finally:
        recorder.put(Fact("node:stop", target=itself, user_id=itself))


@asynccontextmanager
async def auditing(settings: Settings, log: AuditLog, node_id: str) -> AsyncIterator[Audited]:
    """Record what happens until the block ends; then everything that waits is written."""
    async with AsyncExitStack() as house:
        form = as_json if settings.json_logs else as_text(coloured=sys.stderr.isatty())
        lines = await house.enter_async_context(AccessLog.writing(form)) if settings.access_log else None
        rules = Rules(settings.audit_queue, waits=settings.audit_full == "block")
        recorder = await house.enter_async_context(Recorder.recording(log, node_id, rules))
        house.enter_context(_lived(recorder, node_id))
        refusals = Refusals(recorder.put)
        await house.enter_async_context(background(refusals.sweeping))
        watching, tap = await house.enter_async_context(Watching.watching(log)), Tap()
        audit = Audit(recorder, refusals, calls=settings.audit_calls)
        recent = Recent() if settings.ops else None
        account = Account(audit.refused, tap, _told(lines, recent))
        yield Audited(recorder, refusals, watching, tap, audit, account, lines, recent)


def _told(lines: AccessLog | None, recent: Recent | None) -> Told | None:
    """Who hears of every call that ends."""
    if lines is None or recent is None:
        return lines.line if lines is not None else recent.take if recent is not None else None
    line, take = lines.line, recent.take

    def both(ending: Ending) -> None:
        line(ending)
        take(ending)

    return both

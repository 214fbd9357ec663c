"""The access log: a line for every call, made on the loop a few at a time, and written by a thread of its own.

The end of a call is put down as it ends. Words for it are made ROW calls at a time, in a turn of the loop of their own:
in a row they take 2 µs each, measured by themselves, and the thread that used to make them took 14 in a busy node. It
writes 128 lines at a time, or what has come within a quarter of a second. Whoever reads too slowly makes nobody wait:
beyond 4,096 they are dropped and counted. The address is told where a call did not succeed: asking for it takes 3 µs.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from queue import Full, Queue
from typing import Self

import orjson

from a2a_node.model.audit import AuditOutcome
from a2a_node.model.tap import EndedCall
from a2a_node.pipeline.endings import Ending

BATCH = 128  # lines
LATEST = 0.25  # seconds
ROW = 16  # lines that are made in a row, 0.03 ms by themselves
WAITING = 32  # batches that the thread may be behind
ATOMIC = 4096  # bytes that a pipe takes whole, so that no line of others comes between
PARTING = 1.0  # seconds that a slow reader gets at the end
STDERR = 2

Form = Callable[[EndedCall], bytes]


class AccessLog:
    """Takes lines; made by `writing`."""

    def __init__(self, form: Form, descriptor: int) -> None:
        self.dropped = 0
        self._form, self._descriptor = form, descriptor
        self._endings: list[Ending] = []
        self._lines: list[bytes] = []
        self._making = False  # a turn of the loop is asked for, in which lines are made
        self._batches: Queue[list[bytes] | None] = Queue(WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)

    @classmethod
    @asynccontextmanager
    async def writing(cls, form: Form, descriptor: int = STDERR) -> AsyncIterator[Self]:
        """Write to a file descriptor until the block ends, then what still waits."""
        log = cls(form, descriptor)
        log._thread.start()
        try:
            yield log
        finally:
            log._hand_over()
            await asyncio.to_thread(log._part)

    def line(self, ending: Ending) -> None:
        """Take in the end of a call."""
        self._endings.append(ending)
        if len(self._endings) >= BATCH:  # in one turn of the loop, and memory is bounded
            self._make()
        elif len(self._endings) >= ROW and not self._making:
            self._making = True
            asyncio.get_running_loop().call_soon(self._made)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATEST, self._hand_over)

    def _made(self) -> None:
        """Make lines, a row in each turn of the loop."""
        self._make()
        self._making = len(self._endings) >= ROW
        if self._making:
            asyncio.get_running_loop().call_soon(self._made)

    def _make(self) -> None:
        endings, self._endings = self._endings[:ROW], self._endings[ROW:]
        self._lines += [self._form(ending.told()) for ending in endings]
        if len(self._lines) >= BATCH:
            self._give()

    def _hand_over(self) -> None:
        """Whatever there is, for it has waited long enough."""
        while self._endings:
            self._make()
        self._give()

    def _give(self) -> None:
        if self._timer is not None and not self._endings:  # else what is left waits for it
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        try:
            self._batches.put_nowait(lines)
        except Full:
            self.dropped += len(lines)

    def _write(self) -> None:
        while (lines := self._batches.get()) is not None:
            for chunk in _chunks(lines):
                try:
                    os.write(self._descriptor, chunk)
                except OSError:  # nobody reads any more
                    self.dropped += chunk.count(b"\n")

    def _part(self) -> None:
        try:
            self._batches.put(None, timeout=PARTING)
        except Full:
            return
        self._thread.join(PARTING)


def as_json(call: EndedCall) -> bytes:
    """A line for machines."""
    line: dict[str, object] = {
        "timestamp": datetime.fromtimestamp(call.ended_at, UTC),
        "level": "info",
        "event": "call",
        "method": call.method,
        "outcome": call.outcome.value,
        "ms": round(call.seconds * 1000, 3),
        "principal": call.principal,
        "agent": call.agent,
        "capability": call.capability,
        "call_id": call.call_id,
        "trace_id": call.trace_id,
    }
    if call.ip_address:
        line["ip_address"] = call.ip_address
    if call.reason:
        line["reason"] = call.reason
    if call.call_path:
        line["call_path"], line["user_id"] = call.call_path, call.user_id
    if call.run_id:
        line["run_id"], line["step"] = call.run_id, call.step
    return orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def as_text(*, coloured: bool) -> Form:
    """The form of a line for people."""

    def form(call: EndedCall) -> bytes:
        second, thousandths = divmod(int(call.ended_at * 1000), 1000)
        outcome = call.reason or call.outcome.value
        if coloured:
            outcome = f"{COLOURS[call.outcome]}{outcome}\x1b[0m"
        what = f"{call.agent}.{call.capability}" if call.agent else call.method.rpartition(".")[2]
        way = f" path={'>'.join(call.call_path)}" if call.call_path else ""
        ids = f" call={call.call_id}" if call.call_id else ""
        ids += f" run={call.run_id} step={call.step}" if call.run_id else ""
        text = f"{_clock(second)}.{thousandths:03d} call {what} {outcome} {call.seconds * 1000:.1f} ms"
        return f"{text} by {call.principal or 'nobody'}{way}{ids}\n".encode()

    return form


@lru_cache(8)  # a second has many calls
def _clock(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[11:19]


COLOURS = {
    AuditOutcome.SUCCEEDED: "\x1b[32m",
    AuditOutcome.FAILED: "\x1b[31m",
    AuditOutcome.CANCELLED: "\x1b[33m",
    AuditOutcome.REFUSED: "\x1b[35m",
}


def _chunks(lines: list[bytes]) -> list[bytes]:
    chunks, chunk = [], b""
    for line in lines:
        if len(chunk) + len(line) > ATOMIC and chunk:
            chunks.append(chunk)
            chunk = b""
        chunk += line
    return [*chunks, chunk] if chunk else chunks

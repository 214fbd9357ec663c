"""The warnings of the node's log that came lately, in bounded memory and without what callers or exceptions said."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time

from a2a_node.model.ops_ports import LogLine

MOST = 1_000  # lines
EVENT, VALUE = 200, 80  # characters
TOLD = ("agent", "capability", "call", "call_id", "trace_id", "store", "reason", "node", "error")


class Lines(logging.Handler):
    """The last warnings and errors; see `model.ops_ports.RecentLogs`.

    An event is told by its own words and by those fields which hold names; of a library's line the form is kept, and
    never what was put into it.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[LogLine] = deque(maxlen=most)
        self._complete_from = time()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; the oldest one makes room for it."""
        said: object = record.msg  # structlog hands over a dict, whatever the declared type says
        fields: Mapping[str, object] = said if isinstance(said, dict) else {"event": f"{record.name}: {said}"}
        about = {name: str(fields[name])[:VALUE] for name in TOLD if name in fields}
        if error := _raised(fields.get("exc_info") or record.exc_info):
            about["error"] = error
        event = str(fields.get("event", "")).partition("\n")[0][:EVENT]
        if len(self._lines) == self._lines.maxlen:
            self._complete_from = self._lines[0].at
        self._lines.append(LogLine(record.created, record.levelname.lower(), event, about))

    def since(self, moment: float) -> Sequence[LogLine]:
        """Those after a moment, in seconds since the epoch, the oldest first."""
        return [line for line in self._lines if line.at > moment]

    def complete_from(self) -> float:
        """The moment after which no line is missing: when it began to listen, or that of the last line forgotten."""
        return self._complete_from


def _raised(said: object) -> str:
    """The name of an error's class, of all forms in which loggers are told of one; empty for none."""
    if said is True:
        said = sys.exc_info()
    if isinstance(said, tuple) and said:
        said = said[1]
    return type(said).__qualname__ if isinstance(said, BaseException) else ""


@contextmanager
def listening() -> Iterator[Lines]:
    """Keep what is logged until the block ends."""
    lines, root = Lines(), logging.getLogger()
    root.addHandler(lines)
    try:
        yield lines
    finally:
        root.removeHandler(lines)

"""What becomes of spans, in plain numbers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Spans that their receiver took, that it did not take, and for which there was no room; and those that wait.

    Counted by the loop, by the exporter's thread and by threads of applications.
    """

    exported: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def admitted(self, room: int) -> bool:
        """Count one more span: it waits from now on, or is dropped where `room` wait already."""
        with self._lock:
            if self.waiting >= room:
                self.dropped += 1
                return False
            self.waiting += 1
            return True

    def ended(self, spans: int, *, exported: bool) -> None:
        """Count spans that wait no longer."""
        with self._lock:
            self.waiting -= spans
            if exported:
                self.exported += spans
            else:
                self.failed += spans

    def outcomes(self) -> Mapping[str, float]:
        """What became of all spans so far."""
        return {"exported": self.exported, "failed": self.failed, "dropped": self.dropped}

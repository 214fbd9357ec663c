"""The calls that ended lately, in bounded memory, for the agents that look for the causes of incidents.

A call costs an entry in a ring, 0.1 µs; it is said in words when somebody asks. Payloads and keys never enter it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from a2a_node.model.tap import EndedCall
from a2a_node.pipeline.endings import Ending

MOST = 5_000  # calls, about 1 KiB each


class Recent:
    """The last calls of agents; see `model.ops_ports.RecentCalls`."""

    def __init__(self, most: int = MOST) -> None:
        self._endings: deque[Ending] = deque(maxlen=most)

    def take(self, ending: Ending) -> None:
        """Keep the end of a call; the oldest one makes room for it."""
        if ending.agent:
            self._endings.append(ending)

    async def since(self, moment: float) -> Sequence[EndedCall]:
        """Those that ended after a moment, in seconds since the epoch, in the order of their ends.

        They are said in words by a thread: 5,000 of them take 100 ms, which would hold up every call.
        """
        endings = [ending for ending in self._endings if ending.ended_at > moment]
        return await asyncio.to_thread(lambda: [ending.told() for ending in endings])

"""Work at endpoints of which nobody has heard the end: the endpoint is asked for it, once somebody wants to know.

gRPC ends a cancelled RPC at the caller at once, whatever its handler does. CancelCall is answered when that is over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
import structlog

from a2a_node.mesh.lines import Lines
from a2a_node.model.agents import Instance
from a2a_node.model.errors import NoInstance
from a2amesh.v1 import agent_service_pb2 as pb

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
UNHEARD = ("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE")  # statuses that an RPC may have while its handler works
AGAIN = ("DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED")  # answers that say nothing of the work


@dataclass(frozen=True, slots=True)
class Asking:
    """How endpoints are asked; spans in seconds."""

    answer: float = 30.0  # that one question may wait for the end of the work
    pause: float = 1.0  # between two questions


class Unheard:
    """Asks endpoints whether cancelled work is over."""

    def __init__(self, lines: Lines, asking: Asking) -> None:
        self._lines, self._asking = lines, asking

    async def over(self, call_id: str, instance: Instance) -> bool:
        """Wait until an endpoint says that it works on a call no more; False when it does not serve CancelCall.

        One that is out of reach is asked again and again: nobody else knows.
        """
        request = pb.CancelCallRequest(call_id=call_id, reason="nobody waits for it any more")
        while True:
            try:
                async with self._lines.taken(instance.address, instance.agent) as line:
                    await line.cancel(request, timeout=self._asking.answer)
            except grpc.aio.AioRpcError as failure:
                code = failure.code().name
                if code == "NOT_FOUND":  # it ended before the question came
                    return True
                if code not in AGAIN:
                    log.warning(
                        "endpoint does not confirm stops", agent=instance.agent, instance=instance.id, code=code
                    )
                    return False
            except NoInstance:
                log.debug("all lines are busy; asking later", agent=instance.agent, instance=instance.id)
            else:
                return True
            await asyncio.sleep(self._asking.pause)

"""The way of a node's workflow engine into its node: one channel, and what each step says of itself there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from a2a_node.client.rpcs import MAX_MESSAGE
from a2a_node.core.client import Channel
from a2a_node.model.places import EngineDoor
from a2a_node.model.warrants import StepOfRun
from a2a_node.wire.warrants import Entries, entries_of


class Steps:
    """Calls steps of runs; made by `through`. `channel` is for AgentService alone."""

    def __init__(self, channel: Channel, key: str) -> None:
        self.channel = channel
        self._key = key

    @classmethod
    @asynccontextmanager
    async def through(cls, door: EngineDoor, max_message: int = MAX_MESSAGE) -> AsyncIterator[Self]:
        """Be connected until the block ends; messages have at most so many bytes."""
        sizes = [("grpc.max_receive_message_length", max_message), ("grpc.max_send_message_length", max_message)]
        channel = Channel(door.address, options=sizes)
        try:
            yield cls(channel, door.key)
        finally:
            await channel.close()

    def metadata(self, authority: bytes, run_id: str, step: str) -> Entries:
        """What the call of a step says: `authority` is that of its run, as recorded.

        The deadline goes as the timeout of the call, at most what is left of the run; the idempotency key in its
        request.
        """
        return entries_of(self._key, authority, StepOfRun(run_id, step))

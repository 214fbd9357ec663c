"""Notes of calls whose clients chose their ids, in Redis: one hash for each, which ends by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from a2a_node.model.chosen_ids import ChosenId
from a2a_node.store.encoding import milliseconds
from a2a_node.store.redis import Redis, script

NOTE = script("chosen_note")


class RedisChosenIds:
    """The port `ChosenIds` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def note(self, chosen: Sequence[tuple[ChosenId, float]]) -> None:
        """Keep each for so many seconds, in one trip."""
        await self._redis.run_all(
            [(NOTE, [_name(one.id)], (milliseconds(seconds), *_fields(one))) for one, seconds in chosen]
        )

    async def find(self, call_id: str) -> ChosenId | None:
        """What is noted of a call."""
        fields = cast("dict[bytes, bytes]", await self._redis.ask("HGETALL", _name(call_id)))
        if not fields:
            return None
        return ChosenId(call_id, *(fields[name].decode() for name in (b"made", b"principal", b"agent")))


def _name(call_id: str) -> str:
    return f"a2a:chosen:{call_id}"


def _fields(chosen: ChosenId) -> tuple[str, str, str]:
    return chosen.principal, chosen.agent, chosen.made

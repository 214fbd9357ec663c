"""Many calls at the same moment: each gets its answer, none is turned away without a reason."""

from __future__ import annotations

import asyncio

from tests.integration.conftest import Running


async def test_two_thousand_calls_at_once_are_all_answered(running_node: Running) -> None:
    """On one connection."""
    async with running_node(default_deadline=60.0) as (_, mesh):
        calls = (mesh.call("echo", "say", {"text": str(number)}, timeout=60) for number in range(2000))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        assert failures == []
        assert answers == [{"text": str(number)} for number in range(2000)]

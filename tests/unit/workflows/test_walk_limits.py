"""Walks of runs whose steps come faster than limits let them."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.model.errors import RateLimited
from a2a_node.model.workflows import Object
from a2a_node.workflows.walk_ports import Said
from tests.unit.workflows.samples import of_steps
from tests.unit.workflows.walks import Agents, Behaviour, echoed, ended, failing


def refusal(called: str, wait: float | None) -> RateLimited:
    """What a limit says."""
    return RateLimited("person:ada", called, "1/s", wait)


def slowly(capacity: float) -> Behaviour:
    """An agent that is let be called so many times a second."""
    free = 0.0

    async def behaviour(given: Object, said: Said) -> object:
        nonlocal free
        now = asyncio.get_running_loop().time()
        if now < free:
            raise refusal("busy.work", free - now)
        free = now + 1 / capacity
        return await echoed(given, said)

    return behaviour


def test_what_a_limit_refuses_waits_for_its_turn_and_is_no_attempt() -> None:
    """Of thirty items at once each is worked for."""
    items = f"a: {{agent: busy, foreach: {list(range(30))}, input: {{n: '${{{{ item }}}}'}}}}"
    kept, agents = ended(of_steps(f"{items}\nb: {{agent: busy, needs: a}}"), Agents({"busy": slowly(10.0)}))
    assert kept.statuses() == {"a": "completed", "b": "completed"}
    assert agents.worked == {"a": 30, "b": 1}
    assert [attempt.error for attempt in kept.steps["b"].attempts] == [None]


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(refusal("busy.work", 90.0), id="beyond-its-timeout"),
        pytest.param(refusal("busy.work", None), id="for-ever"),
        pytest.param(refusal("other.work", 0.5), id="a-call-of-its-own"),
        pytest.param(refusal("busybody.work", 0.5), id="another-name"),
    ],
)
def test_a_limit_is_not_waited_for_in_vain(refused: RateLimited) -> None:
    """The step fails at once, by its reason."""
    kept, _ = ended(of_steps("a: {agent: busy, timeout: 60s}"), Agents({"busy": failing(refused)}))
    assert [attempt.error for attempt in kept.steps["a"].attempts] == [refused]


def test_whose_turn_never_comes_fails_by_its_reason() -> None:
    """Within the time that it has; the attempts that its template allows count from there."""
    steps = "first: {agent: busy}\na: {agent: busy, needs: first, timeout: 60s, retry: {attempts: 2}}"
    kept, _ = ended(of_steps(steps), Agents({"busy": slowly(1 / 90)}))
    first, second = kept.steps["a"].attempts
    assert first.error is not None
    assert (first.error.reason, second.error, kept.statuses()["a"]) == ("RATE_LIMITED", None, "completed")

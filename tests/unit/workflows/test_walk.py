"""Walks of runs: order, conditions, lists, retries and failures."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from a2a_node.model.errors import AgentLost, AgentRefused, MeshError, StoreUnavailable
from a2a_node.model.runs import RunStatus
from a2a_node.model.workflows import Object
from a2a_node.workflows.walk_ports import Said
from tests.unit.virtual import in_no_time
from tests.unit.workflows.samples import of_steps
from tests.unit.workflows.walks import Agents, Paper, ended, failing, paper, slow, walk, walked

FAILS = "fails: {agent: bad}\n"


def test_steps_begin_when_what_they_need_is_done_side_by_side() -> None:
    """Two branches take as long as one."""

    async def scenario() -> float:
        kept, template = paper(
            of_steps("a: {agent: x}\nb: {agent: x, needs: a}\nc: {agent: x, needs: a}\nd: {agent: x, needs: [b, c]}")
        )
        agents = Agents({"x": slow})
        assert await walked(kept, template, agents) == "completed"
        assert agents.order == ["a", "b", "c", "d"]
        assert kept.run.status is RunStatus.COMPLETED
        return asyncio.get_running_loop().time()

    assert 3.0 <= in_no_time(scenario()) < 3.5


def test_values_go_from_step_to_step_and_into_the_runs_output() -> None:
    """Also the context."""
    kept, agents = ended(
        of_steps("a: {agent: x, input: {n: '${{ inputs.n }}'}}\nb: {agent: x, needs: a, input: {m: "
                 "'${{ steps.a.output.n + 1 }}', who: '${{ context.who }}'}}")
        + "output: {m: '${{ steps.b.output.m }}', s: '${{ steps.a.status }}'}\n",
        n=4,
    )  # fmt: skip
    assert kept.run.output == {"m": 5, "s": "completed"}
    assert [call.input for call in agents.calls] == [{"n": 4}, {"m": 5, "who": "ada"}]
    assert [call.key for call in agents.calls] == ["r1:a:1", "r1:b:1"]


def test_a_condition_that_is_false_skips_a_step_and_what_needs_it() -> None:
    """The run has completed, and what the output reads of them is null."""
    kept, agents = ended(
        of_steps("a: {agent: x, if: inputs.n > 5}\nb: {agent: x, needs: a}\nc: {agent: x}")
        + "output: {b: '${{ steps.b.output.n }}'}\n",
        n=1,
    )
    assert kept.statuses() == {"a": "skipped", "b": "skipped", "c": "completed"}
    assert (agents.order, kept.run.output) == (["c"], {"b": None})


def test_a_failed_step_fails_its_run_and_cancels_what_is_at_work() -> None:
    """What had not begun is cancelled, too."""
    agents = Agents({"bad": failing(AgentRefused("no")), "slow": slow})
    kept, _ = ended(of_steps(FAILS + "b: {agent: slow}\nc: {agent: x, needs: b}"), agents)
    assert kept.statuses() == {"fails": "failed", "b": "cancelled", "c": "cancelled"}
    assert kept.run.status is RunStatus.FAILED
    assert kept.run.error is not None
    assert kept.run.error.reason == "AGENT_REFUSED"


def test_a_run_goes_on_after_a_step_that_may_fail() -> None:
    """Later steps read why."""
    agents = Agents({"bad": failing(AgentRefused("no"))})
    source = of_steps(
        "a: {agent: bad, on_failure: continue}\nb: {agent: x, needs: a, input: {why: '${{ steps.a.error.reason }}'}}"
    )
    kept, _ = ended(source, agents)
    assert kept.statuses() == {"a": "failed", "b": "completed"}
    assert kept.outputs["b"] == {"why": "AGENT_REFUSED"}


def test_what_was_done_is_undone_last_first() -> None:
    """And only what was done; a step at work is let end, so that it can be undone."""
    source = of_steps(
        "a: {agent: x}\nb: {agent: slow, needs: a}\nc: {agent: bad, needs: a, on_failure: compensate}\n"
        "ua: {agent: x, compensates: a, input: {of: '${{ steps.a.status }}'}}\nub: {agent: x, compensates: b}\n"
        "uc: {agent: x, compensates: c}"
    )
    kept, agents = ended(source, Agents({"bad": failing(AgentRefused("no")), "slow": slow}))
    assert agents.order == ["a", "b", "c", "ub", "ua"]
    assert (kept.steps["a"].compensated, kept.steps["b"].compensated) == (True, True)
    assert kept.statuses() == {
        "a": "completed", "b": "completed", "c": "failed", "ua": "completed", "ub": "completed", "uc": "skipped"
    }  # fmt: skip
    assert kept.run.status is RunStatus.FAILED


LOST = AgentLost("bad", "i1")


@pytest.mark.parametrize(
    ("retry", "failures", "status", "keys"),
    [
        pytest.param("attempts: 3, backoff: 2s", [LOST, LOST], "completed", ["r1:a:1"] * 3, id="lost"),
        pytest.param("attempts: 2", [LOST, LOST], "failed", ["r1:a:1"] * 2, id="too-often"),
        pytest.param("attempts: 3", [AgentRefused("no")], "failed", ["r1:a:1"], id="refused"),
        pytest.param(
            "attempts: 3, reasons: [AGENT_REFUSED]",
            [AgentRefused("no")],
            "completed",
            ["r1:a:1", "r1:a:1~1"],
            id="refused-and-named",
        ),
        pytest.param("attempts: 3, reasons: [NO_INSTANCE]", [LOST], "failed", ["r1:a:1"], id="not-named"),
    ],
)
def test_a_step_is_tried_as_its_template_says(
    retry: str, failures: list[MeshError], status: str, keys: list[str]
) -> None:
    """Under one key; a new one where the mesh would only repeat its refusal."""
    agents = Agents({"bad": failing(*failures)})
    kept, _ = ended(of_steps(f"a: {{agent: bad, retry: {{{retry}}}}}"), agents)
    assert kept.statuses() == {"a": status}
    assert [call.key for call in agents.calls] == keys
    attempts = kept.steps["a"].attempts
    assert [attempt.attempt for attempt in attempts] == list(range(1, len(keys) + 1))
    assert [attempt.error for attempt in attempts][: len(failures)] == failures[: len(keys)]


def test_what_the_mesh_could_not_begin_is_asked_again_by_another_call() -> None:
    """Ids of calls are used once; the key is the same, and the attempt, too."""
    away = [StoreUnavailable("redis"), StoreUnavailable("redis")]

    async def soon(given: Object, _: Said) -> object:
        if away:
            raise away.pop()
        return dict(given)

    kept, template = paper(of_steps("a: {agent: x}"))
    agents = Agents({"x": soon})
    assert in_no_time(walked(kept, template, agents)) == "completed"
    assert len({call.call_id for call in agents.calls}) == len(agents.calls) == 3
    assert {call.key for call in agents.calls} == {"r1:a:1"}
    assert [attempt.call_id for attempt in kept.steps["a"].attempts] == [agents.calls[-1].call_id]


def test_the_last_step_is_recorded_with_the_end_of_its_run() -> None:
    """In one transaction: four are who is called and the end, of each step."""
    kept, _ = ended(of_steps("a: {agent: x}\nb: {agent: x, needs: a}"))
    assert (kept.writes, kept.run.status) == (4, RunStatus.COMPLETED)


def test_between_attempts_the_pause_doubles() -> None:
    """2 s, 4 s, 8 s."""

    async def scenario() -> float:
        kept, template = paper(of_steps("a: {agent: bad, retry: {attempts: 4, backoff: 2s}}"))
        await walked(kept, template, Agents({"bad": failing(LOST, LOST, LOST)}))
        return asyncio.get_running_loop().time()

    assert 14.0 <= in_no_time(scenario()) < 14.5


def test_an_answer_after_the_timeout_is_not_taken() -> None:
    """The next attempt answers in time."""
    times = iter([60.0, 0.1])

    async def late(_given: Object, _said: Said) -> object:
        seconds = next(times)
        await asyncio.sleep(seconds)
        return {"took": seconds}

    kept, _ = ended(of_steps("a: {agent: late, timeout: 5s, retry: {attempts: 2}}"), Agents({"late": late}))
    assert kept.outputs["a"] == {"took": 0.1}
    first, second = kept.steps["a"].attempts
    assert first.error is not None
    assert (first.error.reason, second.error) == ("DEADLINE_EXCEEDED", None)


def test_a_timeout_begins_with_the_turn_of_its_step() -> None:
    """However long that was waited for: a node with many calls lets steps begin apart."""

    async def scenario() -> Paper:
        kept, template = paper(of_steps("a: {agent: x, timeout: 1s}"))
        await walk(kept, template, Agents(), turn=partial(asyncio.sleep, 60)).go()
        return kept

    kept = in_no_time(scenario())
    assert (kept.run.status, len(kept.steps["a"].attempts)) == ("completed", 1)


def test_an_output_that_is_too_large_fails_its_step_alone() -> None:
    """What other steps made stays."""

    async def large(_given: Object, _said: Said) -> object:
        return "x" * 50 * 1024 * 1024

    source = of_steps("a: {agent: x}\nb: {agent: large, needs: a, on_failure: continue}\nc: {agent: x, needs: b}")
    kept, _ = ended(source, Agents({"large": large}))
    assert kept.statuses() == {"a": "completed", "b": "failed", "c": "completed"}
    assert kept.steps["b"].error is not None
    assert kept.steps["b"].error.reason == "PAYLOAD_TOO_LARGE"


def test_a_list_is_gone_through_so_many_at_once() -> None:
    """Each item once, outputs in the order of the list."""
    at_once: list[int] = []
    now = 0

    async def counting(given: Object, _: Said) -> object:
        nonlocal now
        now += 1
        at_once.append(now)
        await asyncio.sleep(1)
        now -= 1
        return given["n"]

    source = of_steps(
        "a: {agent: x, foreach: inputs.l, max_concurrent_items: 2, input: {n: '${{ item * 10 + index }}'}}"
    )
    kept, agents = ended(source, Agents({"x": counting}), l=[1, 2, 3, 4, 5])
    assert kept.outputs["a"] == [10, 21, 32, 43, 54]
    assert max(at_once) == 2
    assert [call.key for call in agents.calls] == [f"r1:a:1:{index}" for index in range(5)]
    items = kept.steps["a"].items
    assert items is not None
    assert (items.total, items.completed, items.failed) == (5, 5, 0)
    assert kept.items["a"] == {0: 10, 1: 21, 2: 32, 3: 43, 4: 54}


def test_where_a_run_goes_on_items_fail_alone() -> None:
    """What failed is null."""

    async def picky(given: Object, _: Said) -> object:
        if given["n"] == 2:
            raise AgentRefused("not 2")
        return given["n"]

    step = "a: {agent: x, foreach: '[1, 2, 3]', input: {n: '${{ item }}'}, on_failure: continue}\n"
    kept, _ = ended(of_steps(step + "b: {agent: x, needs: a, input: {n: '${{ steps.a.output }}'}}"),
                    Agents({"x": picky}))  # fmt: skip
    assert kept.statuses() == {"a": "failed", "b": "completed"}
    assert kept.outputs["b"] == [1, None, 3]


@pytest.mark.parametrize(
    ("step", "inputs", "said"),
    [
        ("a: {agent: x, foreach: inputs.l}", {"l": 5}, "a list is needed"),
        ("a: {agent: x, foreach: inputs.l}", {"l": [1] * 1001}, "the limit is 1,000"),
        ("a: {agent: x, if: inputs.l}", {"l": 5}, "true or false is needed"),
        ("a: {agent: x, input: {n: '${{ inputs.l.n }}'}}", {"l": {}}, "has no"),
    ],
    ids=["no-list", "too-long", "no-truth", "no-value"],
)
def test_an_expression_that_says_nothing_of_use_fails_its_step(step: str, inputs: Object, said: str) -> None:
    """With a message that names the place."""
    kept, agents = ended(of_steps(step), None, **inputs)
    error = kept.steps["a"].error
    assert error is not None
    assert (error.reason, agents.calls) == ("INVALID_INPUT", [])
    assert error.message.startswith("steps.a.")
    assert said in error.message


def test_a_run_that_grows_too_large_fails() -> None:
    """Six lists of a thousand items."""
    source = of_steps("\n".join(f"a{n}: {{agent: x, foreach: inputs.l, needs: [{f'a{n - 1}' if n else ''}]}}"
                                for n in range(6)))  # fmt: skip
    kept, _ = ended(source, l=list(range(1000)))
    assert kept.run.status is RunStatus.FAILED
    assert kept.run.error is not None
    assert "5,000" in kept.run.error.message

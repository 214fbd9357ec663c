"""Runs as their events tell them."""

from __future__ import annotations

from dataclasses import replace

from a2a_node.cli.flow.following import Following
from a2a_node.model.runs import RunEvent, RunStatus, StepStatus
from tests.unit.cli.flow.runs import FAILURE, LINT, NOW, RUN, SHIP, at


def test_every_event_is_a_line_and_the_run_stands_as_they_say() -> None:
    """Steps that begin, go on and end; what an agent said; and the end of the run."""
    seen = Following(RUN)
    begun = replace(SHIP, status=StepStatus.RUNNING, agent="deployer", capability="deploy", started_at=at(4))
    assert seen.seen(RunEvent(1, NOW, step=begun)) == "● ship running deployer.deploy"
    assert seen.seen(RunEvent(2, NOW, progress=("ship", {"part": 1}))) == '  ship: {"part":1}'
    assert seen.said == {"ship": '{"part":1}'}
    done = replace(begun, status=StepStatus.COMPLETED, completed_at=at(6.5))
    assert seen.seen(RunEvent(3, NOW, step=done)) == "✓ ship completed 2.50 s"
    assert (seen.run.completed_steps, seen.run.steps[-1], seen.said) == (2, done, {})
    ended = replace(RUN, status=RunStatus.FAILED, steps=(), completed_at=at(7), error=FAILURE)
    assert seen.seen(RunEvent(4, NOW, run=ended)) == "✗ release failed 7.00 s text: is no text [INVALID_INPUT]"
    assert seen.run.steps[-1] == done


def test_items_attempts_and_questions_are_told() -> None:
    """As far as they are news."""
    seen = Following(RUN)
    more = replace(LINT, items=replace(LINT.items, completed=2)) if LINT.items else LINT
    assert seen.seen(RunEvent(1, NOW, step=more)) == "● lint running 2 of 4 items"
    assert seen.seen(RunEvent(2, NOW, step=RUN.steps[2])) == "? gate waiting Ship it?"
    failed = replace(LINT, status=StepStatus.FAILED, completed_at=at(3), error=FAILURE)
    assert seen.seen(RunEvent(3, NOW, step=failed)).startswith("✗ lint failed 1.00 s 1 of 4 items, text: is no text")


def test_a_gap_makes_it_stale_until_the_record_is_asked() -> None:
    """Only GetRun knows what was missed."""
    seen = Following(RUN)
    assert seen.seen(RunEvent(7, NOW, gap=True)) == "events up to 7 are no longer kept"
    assert seen.stale
    seen.told(replace(RUN, completed_steps=3))
    assert (seen.stale, seen.run.completed_steps) == (False, 3)


def test_what_people_do_not_see_is_no_line() -> None:
    """A run, or a step, that stands as before."""
    assert Following(RUN).seen(RunEvent(1, NOW, run=replace(RUN, steps=()))) == ""
    assert Following(RUN).seen(RunEvent(1, NOW, step=SHIP)) == ""


def test_told_from_the_first_event_every_step_is_news() -> None:
    """Also one whose end alone was told, and that had ended before anybody looked."""
    done = replace(SHIP, status=StepStatus.COMPLETED, started_at=at(4), completed_at=at(6.5))
    run = replace(RUN, steps=[*RUN.steps[:-1], done])
    assert Following(run).seen(RunEvent(3, NOW, step=done)) == ""
    assert Following.of_all(run).seen(RunEvent(3, NOW, step=done)) == "✓ ship completed 2.50 s"

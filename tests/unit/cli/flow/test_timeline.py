"""The timeline of a run."""

from __future__ import annotations

from dataclasses import replace

from a2a_node.cli.flow.timeline import timeline
from a2a_node.model.runs import Decision, StepApproval
from tests.unit.cli.flow.runs import FAILED, FETCH, GATE, NOW, RUN, at

SHOWN = """\
release  0b2f8f60-52c5-4f4a-9be3-1d1f0f6c7a11
● running · 4.00 s · 1 of 4 steps · release version 3 by person:ann · 2026-11-27 12:00:00 UTC

✓ fetch  git.clone                      +0 ms    2.00 s  ████████████
    in     {"url":"/srv/code"}
    try 1  500 ms on node-1 call c-1 the call did not end within its 0.500 s; ask with a longer d…
    try 2  1.00 s on node-2 call c-2
    out    {"path":"/tmp/w"}
● lint   ruff.lint                    +2.00 s    2.00 s              ████████████
    items  1 of 4 done, 0 failed
? gate   waits for release:approve    +2.00 s    2.00 s              ████████████
    asks   Ship it? Nobody has decided
○ ship"""


def test_a_run_is_told_step_by_step() -> None:
    """With inputs, outputs, attempts, durations, and a bar that lies where it was at work."""
    assert timeline(RUN, NOW, 98) == SHOWN.splitlines()


def test_what_became_of_a_run_stands_at_its_end() -> None:
    """Its error, or its output; what somebody decided stands with the step."""
    assert timeline(FAILED, at(9), 98)[-1].startswith("error  text: is no text [INVALID_INPUT]")
    assert "✗ failed · 4.00 s" in timeline(FAILED, at(9), 98)[1]
    assert timeline(replace(RUN, output={"url": "x"}), NOW, 98)[-1] == 'output  {"url":"x"}'
    said = StepApproval("p", "Ship it?", decision=Decision.REJECT, decided_by="person:ann", comment="not today")
    lines = timeline(replace(RUN, steps=(replace(GATE, approval=said),)), NOW, 98)
    assert lines[-1] == "    asks   Ship it? person:ann said reject: not today"


def test_no_line_is_wider_than_the_screen() -> None:
    """Whatever was answered; a screen that is too narrow is taken as the narrowest."""
    large = replace(RUN, steps=(replace(FETCH, output={"text": "漢字" * 500}, omitted=True), *RUN.steps[1:]))
    for wide in (20, 60, 80, 120):
        lines = timeline(large, NOW, wide)[3:]
        assert max(map(len, lines)) <= max(wide, 60)
    assert any("`--step fetch`" in line for line in timeline(large, NOW, 98))


def test_a_run_that_has_not_begun_has_a_timeline() -> None:
    """Of nothing yet."""
    fresh = replace(RUN, started_at=None, steps=(RUN.steps[-1],))
    assert timeline(fresh, NOW, 98)[-1] == "○ ship"

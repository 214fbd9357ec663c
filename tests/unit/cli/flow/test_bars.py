"""Progress bars."""

from __future__ import annotations

from dataclasses import replace

from a2a_node.cli.flow.bars import bars
from a2a_node.model.runs import RunStep, StepStatus
from tests.unit.cli.flow.runs import FAILED, NOW, RUN, at

SHOWN = """\
✓ fetch    ━━━━━━━━━━━━━━━━━━━━━━━━    2.00 s  git.clone · attempt 2
● lint     ━━━━━━──────────────────    2.00 s  ruff.lint · 1 of 4
? gate     ────────────────────────    2.00 s  Ship it?
○ ship     ────────────────────────
  a2a-node workflow approve 0b2f8f60-52c5-4f4a-9be3-1d1f0f6c7a11 gate
● release  ━━━━━━──────────────────    4.00 s  running · 1 of 4 steps"""


def test_every_step_has_a_bar_and_the_whole_has_one() -> None:
    """A list as far as its items are, with what matters beside it."""
    lines = bars(RUN, {}, NOW, (80, 24))
    assert [text for text, _ in lines] == SHOWN.splitlines()
    assert [colour for _, colour in lines] == ["green", "blue", "yellow", "bright_black", "yellow", "blue"]
    assert "is no text [INVALID_INPUT]" in bars(FAILED, {}, NOW, (80, 24))[1][0]


def test_a_step_at_work_moves_and_says_what_its_agent_says() -> None:
    """Nobody knows how far it is."""
    step = RunStep("ship", StepStatus.RUNNING, started_at=at(0))
    run = replace(RUN, steps=(step,))
    earlier, later = (bars(run, {"ship": "half done"}, at(seconds), (80, 24))[0][0] for seconds in (1, 1.5))
    assert earlier.replace("1.00 s", "") != later.replace("1.50 s", "")
    assert earlier.endswith("half done")


def test_a_low_screen_shows_what_matters_most() -> None:
    """Those at work first; the rest is counted, and no line is wider than the screen."""
    steps = [RunStep(f"s{number}", StepStatus.COMPLETED) for number in range(50)]
    steps[40] = replace(steps[40], status=StepStatus.RUNNING, started_at=at(0))
    lines = [text for text, _ in bars(replace(RUN, steps=steps), {}, NOW, (40, 10))]
    assert len(lines) == 9
    assert any(line.startswith("● s40") for line in lines)
    assert lines[-2] == "… and 43 more: 43 completed"
    assert max(map(len, lines)) <= 40

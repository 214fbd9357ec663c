"""DBOS and the record as we use them: whoever takes a run over goes on from the record, whoever is late is shut out.

DBOS's version is pinned; whoever changes it looks here.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.e2e.processes import Program


def executor(url: str, name: str, effects: Path, mode: str) -> Program:
    """A process that records a run, and executes all that nobody has."""
    return Program((sys.executable, "-m", "tests.contract.durables", url, name, effects, mode))


def done(effects: Path) -> list[list[str]]:
    """What was done in each run, in order: the steps, and by whom."""
    runs: dict[str, list[str]] = {}
    for run, step, name in (line.split() for line in effects.read_text().splitlines()):
        runs.setdefault(run, []).append(f"{step} {name}")
    return [*runs.values()]


def test_a_run_is_taken_over_where_its_executor_died(postgres_url: str, tmp_path: Path) -> None:
    """Steps on record are not done again; the one at work is. Runs that begin afterwards go their way beside it."""
    effects = tmp_path / "effects"
    with executor(postgres_url, "one", effects, "begin") as one:
        one.line("stalled")
        one.end(signal.SIGKILL)
    with executor(postgres_url, "two", effects, "take") as two:
        two.line("ended 2")
    assert done(effects) == [["a one", "b one", "b two", "c two"], ["a two", "b two", "c two"]]


def test_whoever_comes_late_is_shut_out(postgres_url: str, tmp_path: Path) -> None:
    """One that only slept, and goes on when another has taken its run."""
    effects = tmp_path / "effects"
    with executor(postgres_url, "one", effects, "begin") as one:
        one.line("stalled")
        one.send(signal.SIGSTOP)
        with executor(postgres_url, "two", effects, "take") as two:
            two.line("ended 2")
            one.send(signal.SIGCONT)
            one.line("lost")
        one.end(signal.SIGKILL)
    assert ["a one", "b one", "b two", "c two"] in done(effects)


def test_nobody_looks_for_what_is_never_made(postgres_url: str, tmp_path: Path) -> None:
    """Workflows that are delayed or timed, and those of DBOS's own queue."""
    with executor(postgres_url, "one", tmp_path / "effects", "rest") as one:
        assert one.line(r"asked (\d+)")[1] == "0"
        one.end(signal.SIGKILL)

"""What a node shows of workflows: what became of runs, those that have not ended, and how its engine is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from a2a_node.model.runs import RunStatus
from a2a_node.web.figures import Figure
from a2a_node.workflows.backlog import Backlogs

STANDS = ("off", "idle", "starting", "ok", "down")


def of_runs(
    came: Mapping[str, int], backlogs: Backlogs, stands: Callable[[], str], apart: Callable[[], float]
) -> Sequence[Figure]:
    """`came` counts runs that this node and its engine have brought to a status; the others tell of that engine.

    `stands` says how it is, `apart` how many seconds its steps begin apart. The mesh's open runs are
    the same at every node: their figures are not to be summed.
    """

    def counted() -> Mapping[str, float]:
        return {status.value: came.get(status.value, 0) for status in RunStatus}

    def engine() -> Mapping[str, float]:
        return {state: state == stands() for state in STANDS}

    still = (
        "Since anything happened to the run that stands still for longest, by its status; some may, and are left out"
    )
    return (
        Figure("a2a_workflows", "Workflow runs that this node brought to a status", counted, "status", grows=True),
        Figure("a2a_workflow_runs", "Runs of the whole mesh that have not ended", backlogs.runs, "status"),
        Figure("a2a_workflow_still_seconds", still, backlogs.still, "status"),
        Figure("a2a_workflow_engine", "1 for how the engine of this node is", engine, "state"),
        Figure("a2a_workflow_steps_apart_seconds", "How far apart steps begin, to give way to calls", apart),
    )

"""What a node shows of the runs that it has started by schedules."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.web.figures import Figure
from a2a_node.workflows.schedules import Scheduler


def of_schedules(scheduler: Scheduler) -> Sequence[Figure]:
    """How many minutes of schedules this node has taken up, by what became of them."""
    about = "Minutes of schedules that this node has taken up, by what became of them"

    def read() -> dict[str, float]:
        return {"started": scheduler.started, "refused": scheduler.refused}

    return (Figure("a2a_workflow_schedules", about, read, "outcome", grows=True),)

"""How large runs grow together with those that they start: counted in one row, which belongs to the first of them.

That row is no run's own: whoever counts keeps nobody from changing the run.
"""

# ruff: noqa: S608 - what is put into the statements are constants of this module

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from a2a_node.model.runs import RunTooLarge
from a2a_node.model.workflows import MOST_EXPANDED
from a2a_node.store.postgres import Transaction
from a2a_node.store.run_record import RunRecord

MOST_READ = 1_000  # runs, each started by the next, of which one reads
LINE = f"""line AS (
  SELECT id, template, parent_run_id, total_steps, 1 AS place FROM workflow_runs WHERE id = :run
  UNION ALL
  SELECT up.id, up.template, up.parent_run_id, up.total_steps, line.place + 1
  FROM workflow_runs AS up JOIN line ON up.id = line.parent_run_id WHERE line.place < {MOST_READ}
)"""
LINEAGE = text(f"WITH RECURSIVE {LINE} SELECT template FROM line ORDER BY place")
# The steps of the first run itself are counted with the first growth.
GROW = text(f"""
WITH RECURSIVE {LINE}, first AS (
  SELECT id, total_steps FROM line ORDER BY place DESC LIMIT 1
), grown AS (
  INSERT INTO workflow_growth AS kept (run_id, steps)
  SELECT id, total_steps + CAST(:more AS integer) FROM first WHERE total_steps + CAST(:more AS integer) <= :most
  ON CONFLICT (run_id) DO UPDATE SET steps = kept.steps + CAST(:more AS integer)
  WHERE kept.steps + CAST(:more AS integer) <= :most
  RETURNING run_id
)
SELECT id FROM first WHERE NOT EXISTS (SELECT FROM grown)
""")


class RunGrowth(RunRecord):
    """What runs grow to, of the port `Runs`."""

    async def grow(self, run_id: str, steps: int) -> None:
        """Count steps of the first run."""
        async with self._postgres.writing() as change:
            await grow(change, run_id, steps)

    async def lineage(self, run_id: str) -> Sequence[str]:
        """The templates of a run and of those that it was started by."""
        return [row["template"] for row in await self._postgres.fetch(LINEAGE, {"run": run_id})]


async def grow(change: Transaction, run_id: str, steps: int) -> None:
    """Count so many more steps of the first run that led to a run; RunTooLarge."""
    if await change.fetch(GROW, {"run": run_id, "more": steps, "most": MOST_EXPANDED}):
        raise RunTooLarge

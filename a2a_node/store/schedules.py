"""Schedules in Postgres: beside the templates, which minute of each was taken up last."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from a2a_node.model.schedules import Scheduled, Timetable
from a2a_node.store.postgres import Postgres

NOW = text("SELECT clock_timestamp() AS now")
NEWEST = text("""
SELECT newest.name, newest.version, newest.schedule, newest.created_at, newest.authority, last.minute, last.outcome
FROM (
  SELECT DISTINCT ON (name) name, version, schedule, created_at, authority FROM workflow_templates
  ORDER BY name, version DESC
) AS newest LEFT JOIN workflow_schedules AS last ON last.template = newest.name
WHERE newest.schedule <> '' ORDER BY newest.name
""")
TAKE = text("""
INSERT INTO workflow_schedules AS last (template, minute) VALUES (:template, :minute)
ON CONFLICT (template) DO UPDATE SET minute = EXCLUDED.minute, taken_at = clock_timestamp(), outcome = ''
WHERE last.minute < EXCLUDED.minute OR (
  last.minute = EXCLUDED.minute AND last.outcome = ''
  AND last.taken_at < clock_timestamp() - make_interval(secs => :lease)
)
RETURNING template
""")
SETTLE = text("UPDATE workflow_schedules SET outcome = :outcome WHERE template = :template AND minute = :minute")


class PostgresSchedules:
    """The port `Schedules` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def timetable(self) -> Timetable:
        """All schedules as they stand."""
        (clock,) = await self._postgres.fetch(NOW)
        found = await self._postgres.fetch(NEWEST)
        return Timetable(
            clock["now"],
            [
                Scheduled(
                    row["name"],
                    row["version"],
                    row["schedule"],
                    row["created_at"],
                    bytes(row["authority"]),
                    row["minute"],
                    row["outcome"] or "",
                )
                for row in found
            ],
        )

    async def take(self, template: str, minute: datetime, lease: float) -> bool:
        """Take a minute up."""
        said = {"template": template, "minute": minute, "lease": lease}
        return bool(await self._postgres.fetch(TAKE, said))

    async def settle(self, template: str, minute: datetime, outcome: str) -> None:
        """Say what became of a minute."""
        await self._postgres.fetch(SETTLE, {"template": template, "minute": minute, "outcome": outcome})

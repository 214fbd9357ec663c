"""Incidents as they are kept: one folder of the workspace for each, its record replaced as a whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.incidents.words import Cause, Deviation, Evidence, Severity
from a2a_node.ops.workplace import Workplace

FOLDER = "incidents"
MOST_BYTES = 4 << 20  # of a record
IncidentId = Annotated[str, Field(pattern="^inc-[a-z0-9][a-z0-9-]{0,58}$", description="The incident's id.")]


class Entry(BaseModel):
    """Something that was done about an incident."""

    at: float
    what: Annotated[str, Field(max_length=1_000)]


class Incident(BaseModel):
    """One incident, from its opening on."""

    id: IncidentId
    title: Annotated[str, Field(max_length=300)]
    severity: Severity
    status: Literal["open", "resolved"] = "open"
    since: Annotated[float, Field(description="From when on something was wrong, seconds since the epoch.")]
    opened_at: float
    deviations: list[Deviation] = []
    evidence: Evidence
    causes: list[Cause] = []
    entries: list[Entry] = []


class Records:
    """The incidents of a workspace."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    async def read(self, name: str) -> Incident:
        """An incident; InvalidInput when there is none by that id, or its record was spoilt."""
        text = await self._workplace.read("input.incident", place(name, "incident.json"), MOST_BYTES)
        try:
            return Incident.model_validate_json(text)
        except ValidationError:
            raise InvalidInput("input.incident", f"the record of {name!r} cannot be read") from None

    async def write(self, incident: Incident) -> str:
        """Keep an incident as it stands now; where. Readers find the old record or the new one."""
        return await self.put(incident.id, "incident.json", incident.model_dump_json(indent=2))

    async def put(self, name: str, file: str, text: str) -> str:
        """Write a file beside the record of an incident; where."""
        where = place(name, file)
        await self._workplace.write("input.incident", where, text.encode())
        return where


def place(name: str, file: str) -> str:
    """Where a file of an incident lies in the workspace."""
    return f"{FOLDER}/{name}/{file}"

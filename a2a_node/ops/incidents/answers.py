"""What the monitor answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.ops.incidents.words import Cause, Deviation, Remedy, Severity


class Detection(BaseModel):
    """Whether something is wrong, and since when."""

    found: bool
    id: Annotated[str, Field(description="The id that an incident of it is opened under.")]
    severity: Severity
    since: float
    until: float
    deviations: list[Deviation]


class Explanation(BaseModel):
    """What is likely behind it, and what to do."""

    causes: list[Cause]
    remedy: Annotated[Remedy, Field(description="Of the likeliest cause, if that is sure enough.")]
    severity: Severity
    needs_approval: Annotated[bool, Field(description="Whether it is worse than what an agent may act on alone.")]
    summary: Annotated[str, Field(description="One sentence.")]


class Opened(BaseModel):
    """An incident that is kept."""

    id: str
    severity: Severity
    path: Annotated[str, Field(description="Its record in the workspace.")]
    title: str


class Written(BaseModel):
    """The timeline of an incident."""

    status: str
    markdown: Annotated[str, Field(description="Path in the workspace.")]
    json_path: Annotated[str, Field(description="Path in the workspace.")]
    moments: int

"""Failures of workflow templates."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.errors.base import MeshError
from a2a_node.model.errors.requests import InvalidInput

MOST_TOLD = 10  # errors: what says why an RPC failed has little room; ValidateTemplate answers with all of them


class TemplateNotFound(MeshError):
    """No template of that name was put, or none of that version; version 0 means the newest."""

    code, reason = "NOT_FOUND", "TEMPLATE_NOT_FOUND"

    def __init__(self, name: str, version: int = 0) -> None:
        which = f"version {version} of template {name!r}" if version else f"template {name!r}"
        super().__init__(f"there is no {which}; `a2a-node workflow templates` lists them", name=name, version=version)


class TemplateInvalid(InvalidInput):
    """The source of a template has errors; each is a violation, its field `line:column` of the source."""

    reason = "TEMPLATE_INVALID"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        (place, problem), *more = errors
        count = f" (and {len(more)} more)" if more else ""
        said = f"the template has errors: {place}: {problem}{count}; `a2a-node workflow lint` tells them all"
        MeshError.__init__(self, said, field=place, problem=problem)
        self.faults = ((place, problem), *more[: MOST_TOLD - 1])

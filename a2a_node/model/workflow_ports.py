"""What workflows need of the store and of the mesh, said as Protocols; `node/` introduces the rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.workflows import Template, TemplateVersion


class Templates(Protocol):
    """All versions of all templates. Every method raises StoreUnavailable when the store is away."""

    async def put(
        self, template: Template, source: str, by: str, expected: int | None = None, authority: bytes = b""
    ) -> TemplateVersion:
        """Keep the next version, the first one being 1; the newest as it is when its source is the same.

        One with a schedule starts runs by the authority: the same source by somebody else is another version then.

        VersionConflict when the newest version is not the expected one, 0 being that of a template that is new.
        """

    async def get(self, name: str, version: int = 0) -> TemplateVersion:
        """A version with its source, the newest for 0; its template has no steps. TemplateNotFound."""

    async def newest(self, tag: str, after: str, limit: int) -> Sequence[TemplateVersion]:
        """The newest version of each template by name, after a name, those with the tag where it is not empty."""

    async def versions(self, name: str, before: int, limit: int) -> Sequence[TemplateVersion]:
        """The versions of a template, the newest first, those before a version where it is not 0."""


class KnownAgents(Protocol):
    """What is known of the agents that steps call."""

    def descriptor(self, agent: str) -> AgentDescriptor | None:
        """What an agent says of itself; None when nobody is registered by that name."""

    def offering(self, capability: str, tag: str) -> Sequence[AgentDescriptor]:
        """The agents that offer a capability and have the tag where it is not empty, by name."""


class KnownTemplates(Protocol):
    """The templates that steps run as sub-workflows."""

    def template(self, name: str) -> Template | None:
        """The newest version of a template; None when there is none."""

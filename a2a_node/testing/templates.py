"""Workflow templates in memory: what those in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from a2a_node.model.errors import TemplateNotFound, VersionConflict
from a2a_node.model.workflows import Template, TemplateVersion
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence


class MemoryTemplates(Presence):
    """The port `Templates` on a dictionary. `lose()` makes it behave as if Postgres were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("postgres")
        self._clock = clock
        self._kept: dict[str, list[TemplateVersion]] = {}
        self._put_by: dict[str, tuple[str, bytes]] = {}  # the newest of each, and with which authority

    def _is_same(self, newest: TemplateVersion, source: str, put: tuple[str, bytes]) -> bool:
        name = newest.template.name
        return newest.source == source and (not newest.template.schedule or self._put_by[name] == put)

    async def put(
        self, template: Template, source: str, by: str, expected: int | None = None, authority: bytes = b""
    ) -> TemplateVersion:
        """Keep the next version, unless the newest says the same."""
        self.check()
        versions = self._kept.get(template.name, [])
        if expected is not None and expected != len(versions):
            raise VersionConflict(expected, len(versions))
        if not versions or not self._is_same(versions[-1], source, (by, authority)):
            self._put_by[template.name] = by, authority
            kept = replace(template, steps=(), output={})
            versions.append(TemplateVersion(kept, len(versions) + 1, by, self._clock(), source))
            self._kept[template.name] = versions
        return versions[-1]

    async def get(self, name: str, version: int = 0) -> TemplateVersion:
        """A version, the newest for 0."""
        self.check()
        versions = self._kept.get(name, [])
        if not versions or version > len(versions):
            raise TemplateNotFound(name, version)
        return versions[version - 1]

    async def newest(self, tag: str, after: str, limit: int) -> Sequence[TemplateVersion]:
        """The newest version of each template, by name."""
        self.check()
        found = [self._kept[name][-1] for name in sorted(self._kept) if name > after]
        return [_listed(one) for one in found if not tag or tag in one.template.tags][:limit]

    async def versions(self, name: str, before: int, limit: int) -> Sequence[TemplateVersion]:
        """The versions of a template, the newest first."""
        self.check()
        found = reversed(self._kept.get(name, []))
        return [_listed(one) for one in found if not before or one.version < before][:limit]


def _listed(version: TemplateVersion) -> TemplateVersion:
    return replace(version, source="")

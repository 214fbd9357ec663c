"""A site, built whole or not at all: into a fresh folder, which then takes the place of the one before."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.site.assets import Assets
from a2a_node.ops.site.layout import Layout
from a2a_node.ops.site.links import check_inside
from a2a_node.ops.site.sources import Sources
from a2a_node.ops.trees import Stop, check_awaited

STALE = 3_600.0  # seconds after which a folder is nobody's work any more
MANIFEST = "manifest.json"  # what each file must be; it also says that a folder was made here


@dataclass(slots=True)
class Output:
    """The fresh folder of a site."""

    folder: Path
    room: int  # bytes that there are
    stop: Stop
    digests: dict[str, str] = field(default_factory=dict)  # by path

    def write(self, path: str, data: bytes) -> None:
        """Write a file of the site; AgentRefused when there is no room for it, or nobody waits any more."""
        check_awaited(self.stop)
        self.room -= len(data)
        if self.room < 0:
            raise AgentRefused(
                "the site does not fit into the workspace; prune what is old there",
                code="RESOURCE_EXHAUSTED",
                reason="WORKSPACE_FULL",
            )
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self.digests[path] = sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Site:
    """What was built."""

    digests: Mapping[str, str]  # of all files but the manifest, by path
    fixed: tuple[str, ...]  # paths that stay the same when their content changes, so that caches must be told
    pages: int
    pictures: int
    saved: int


def built(source: Path, target: Path, room: int, stop: Stop) -> Site:
    """Build sources into a folder that was built before or is not there; AgentRefused (SITE_INVALID), InvalidInput."""
    _check_places(source, target)
    sources = Sources.read(source, stop)
    check_inside(sources)
    refuse(sources)
    with _fresh(target) as folder:
        output = Output(folder, room, stop)
        assets = Assets(sources, output.write)
        assets.publish()
        layout = Layout(sources, assets.names)
        for page in sources.pages.values():
            output.write(page.output, layout.around(page).encode())
        refuse(sources)
        digests = dict(sorted(output.digests.items()))
        output.write(MANIFEST, json.dumps(digests, indent=1).encode())
    kept = {name for old, name in assets.names.items() if name != old}
    return Site(
        digests, tuple(path for path in digests if path not in kept), len(sources.pages), assets.pictures, assets.saved
    )


def refuse(sources: Sources) -> None:
    """AgentRefused when anything is wrong with the sources."""
    if sources.problems.count:
        raise AgentRefused(
            f"the site has {sources.problems.count} problems: {sources.problems.told()}",
            reason="SITE_INVALID",
            problems=sources.problems.count,
        )


def _check_places(source: Path, target: Path) -> None:
    """InvalidInput where something would be lost."""
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise InvalidInput("input.target", "lies in the sources, or they in it; name a folder beside them")
    if target.exists() and not (target / MANIFEST).is_file():
        raise InvalidInput("input.target", f"holds what was not built here (no {MANIFEST}); name another folder")


@contextmanager
def _fresh(target: Path) -> Iterator[Path]:
    """A fresh folder that takes the target's place when the block ends well, and is gone when it does not."""
    for left in target.parent.glob(f".{target.name}-????????-*"):  # by a node that was killed
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (target.with_name(f".{target.name}-{token_hex(4)}-{word}") for word in ("new", "old"))
    fresh.mkdir(mode=0o755)
    try:
        yield fresh
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)

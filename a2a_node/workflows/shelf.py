"""The templates that come with the software, and how they get into the library of a mesh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import resources

import structlog

from a2a_node.model.errors import MeshError, StoreUnavailable, TemplateNotFound, VersionConflict
from a2a_node.model.workflow_ports import Templates
from a2a_node.workflows.library import Library

PAUSE = 5.0  # seconds between two tries while the store is away
LOOKED_AT = 50  # of the newest versions of a template, in which a source may be known already

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def built_in() -> Mapping[str, str]:
    """The sources of the built-in templates by their names."""
    folder = resources.files("a2a_node.workflows") / "templates"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in found}


async def shelve(library: Library, store: Templates, by: str) -> None:
    """Put each built-in template that the mesh does not have yet; waits while the store is away.

    `by` is a node. Many nodes may do this at once, and nodes of different versions of the software may take turns: a
    source is put once in the life of a mesh, so an old node that starts again does not bring the old source back. Where
    somebody else than a node has put the newest version, that is theirs, and stays.
    """
    for name, source in (await asyncio.to_thread(built_in)).items():
        while True:
            try:
                await _shelve(library, store, (name, source), by)
            except StoreUnavailable:
                await asyncio.sleep(PAUSE)
                continue
            except VersionConflict:
                pass  # somebody put it meanwhile
            except MeshError as error:
                log.warning("built-in template not put", template=name, reason=error.reason, problem=error.message)
            break


async def _shelve(library: Library, store: Templates, named: tuple[str, str], by: str) -> None:
    name, source = named
    try:
        newest = await store.get(name)
    except TemplateNotFound:
        await library.put(source, by, 0)
        return
    if newest.created_by.startswith("node:") and not await _known(store, name, source):
        await library.put(source, by, newest.version)


async def _known(store: Templates, name: str, source: str) -> bool:
    """Whether the source was put before, by whomever."""
    for version in await store.versions(name, 0, LOOKED_AT):
        if (await store.get(name, version.version)).source == source:
            return True
    return False

"""The agent itself: compress, keep, list, fetch, prune."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import zstandard
from pydantic import BaseModel, Field

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.vault.places import MANIFEST, Place, Places, copied
from a2a_node.ops.workplace import Workplace

ARCHIVE = "archive.zst"
MOST_MANIFEST = 16 * 1024 * 1024
SET = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{8}")  # to the millisecond, so that names are in the order of their making
WHOLE = r"^(\d{8}T\d{9}Z-[0-9a-f]{8})?$"
UNFINISHED = timedelta(days=1)  # after which a set that is not whole belongs to a node that was killed

File = Annotated[str, Field(max_length=1000, description="A file in the workspace.")]
Store = Annotated[str, Field(max_length=63, description="A store of A2A_OPS_STORES; `local` where there are none.")]
Prefix = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}(/[a-z0-9][a-z0-9_-]{0,62}){0,3}$", description="What it is a backup of."),
]


class Archive(BaseModel):
    """A file, compressed or not."""

    path: Annotated[str, Field(description="Where it lies in the workspace.")]
    bytes: Annotated[int, Field(description="Its size.")]
    sha256: Annotated[str, Field(description="Its digest, hexadecimal.")]


class Kept(BaseModel):
    """A set in a store: an archive and its manifest."""

    name: Annotated[str, Field(description="Its name: the moment that it was taken, and the beginning of a digest.")]
    sha256: Annotated[str, Field(description="The digest of the archive, read back from the store.")]
    bytes: Annotated[int, Field(description="The size of the archive.")]


class Fetched(BaseModel):
    """A set that was fetched."""

    name: Annotated[str, Field(description="Its name.")]
    archive: Annotated[str, Field(description="The archive in the workspace.")]
    manifest: Annotated[str, Field(description="Its manifest in the workspace.")]


class Pruned(BaseModel):
    """What was removed."""

    removed: Annotated[list[str], Field(description="The sets that are gone.")]
    kept: Annotated[list[str], Field(description="The sets that are there.")]


def made(workplace: Workplace, urls: Mapping[str, str]) -> Agent:
    """The agent; `urls` are the stores by name."""
    places = Places(urls, workplace.root)
    agent = Agent(
        "vault",
        version="1.0.0",
        description="Compresses backups, keeps them in an object store by sets, and gets them back.",
        category="operations",
        tags=("built-in", "ops"),
    )

    def there(field: str, path: str) -> Path:
        found = workplace.path(field, path)
        if not found.is_file():
            raise InvalidInput(field, f"{path[:80]!r} is no file; nodes with ops agents must share a workspace")
        return found

    @agent.capability(idempotent=True)
    def compress(
        path: File,
        context: Context,
        level: Annotated[int, Field(ge=1, le=19, description="How hard it tries.")] = 6,
    ) -> Archive:
        """Compress a file with zstd, piece by piece, into one beside it with `.zst` at its end."""
        source = there("input.path", path)
        target = source.with_name(f"{source.name}.zst")
        with source.open("rb") as plain, target.open("wb") as file:
            compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
            with compressor.stream_writer(file, closefd=False) as packed:
                copied(plain, cast("BinaryIO", packed), context.cancelled.is_set)
        return _archive(workplace, target, context)

    @agent.capability(idempotent=True)
    def decompress(path: File, context: Context) -> Archive:
        """Unpack a file of zstd, piece by piece, into one beside it without `.zst`; it may not fill the workspace."""
        source = there("input.path", path)
        target = source.with_name(source.name.removesuffix(".zst") + ".plain")
        room = _Room(workplace, target)
        try:
            with source.open("rb") as file, target.open("wb") as plain:
                room.file = plain
                zstandard.ZstdDecompressor().copy_stream(file, cast("BinaryIO", room))
        except zstandard.ZstdError as error:
            raise AgentRefused(f"the archive is damaged: {error}", code="DATA_LOSS", reason="DAMAGED") from error
        return _archive(workplace, target, context)

    @agent.capability(idempotent=True)
    def keep(store: Store, prefix: Prefix, archive: File, manifest: File, context: Context) -> Kept:
        """Copy an archive and its manifest to a store as a set, the manifest last, and read both back."""
        place, source = places.place(store), there("input.archive", archive)
        told = _manifest(there("input.manifest", manifest))
        moment = datetime.fromisoformat(str(told["taken_at"])).astimezone(UTC)
        name = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z-{str(told['sha256'])[:8]}"
        sha256 = place.put(source, f"{prefix}/{name}/{ARCHIVE}", context.cancelled.is_set)
        beside = source.with_name(f"{source.name}.{MANIFEST}")
        beside.write_text(json.dumps({**told, "archive": sha256}, indent=1), encoding="utf-8")
        place.put(beside, f"{prefix}/{name}/{MANIFEST}", context.cancelled.is_set)
        return Kept(name=name, sha256=sha256, bytes=source.stat().st_size)

    @agent.capability
    async def fetch(
        store: Store,
        prefix: Prefix,
        context: Context,
        name: Annotated[str, Field(pattern=WHOLE, description="Which set; empty means the newest whole one.")] = "",
    ) -> Fetched:
        """Fetch a set from a store, and compare the archive with its manifest."""
        folder = await workplace.fresh("restores")
        return await asyncio.to_thread(_fetched, workplace, places.place(store), (prefix, name, folder), context)

    @agent.capability(idempotent=True)
    def prune(
        store: Store,
        prefix: Prefix,
        keep_last: Annotated[int, Field(ge=1, le=10_000, description="How many of the newest sets stay.")] = 7,
        keep_days: Annotated[int, Field(ge=0, le=36_500, description="Days that a set stays in any case.")] = 0,
    ) -> Pruned:
        """Remove old sets, and what was never finished; the newest one stays in any case."""
        place, oldest = places.place(store), datetime.now(UTC) - timedelta(days=keep_days)
        whole = place.sets(prefix)
        old = [name for name in whole[:-keep_last] if _taken(name) < oldest]
        begun = datetime.now(UTC) - UNFINISHED
        left = [name for name in place.all_sets(prefix) if name not in whole and SET.fullmatch(name)]
        for name in [*old, *(name for name in left if _taken(name) < begun)]:
            place.remove(prefix, name)
        return Pruned(removed=old, kept=[name for name in whole if name not in old])

    return agent


class _Room:
    """A file that grows while there is room for it: a small archive may unpack to more than any disk has."""

    def __init__(self, workplace: Workplace, target: Path) -> None:
        self._workplace, self._target, self._written = workplace, target, 0
        self.file: BinaryIO | None = None

    def write(self, data: bytes) -> int:
        """Write, unless the workspace would be too full: AgentRefused."""
        self._written += len(data)
        self._workplace.check_room(self._written)
        return self.file.write(data) if self.file else 0


def _fetched(workplace: Workplace, place: Place, what: tuple[str, str, Path], context: Context) -> Fetched:
    prefix, name, folder = what
    if not name:
        whole = place.sets(prefix)
        if not whole:
            raise InvalidInput("input.prefix", f"{prefix!r} has no whole set in this store")
        name = whole[-1]
    place.get(f"{prefix}/{name}/{MANIFEST}", folder / MANIFEST, context.cancelled.is_set)
    digest = place.get(f"{prefix}/{name}/{ARCHIVE}", folder / ARCHIVE, context.cancelled.is_set)
    if digest != _manifest(folder / MANIFEST).get("archive"):
        raise AgentRefused(f"set {name} is damaged: its archive is another one", code="DATA_LOSS", reason="DAMAGED")
    return Fetched(name=name, archive=workplace.told(folder / ARCHIVE), manifest=workplace.told(folder / MANIFEST))


def _manifest(path: Path) -> dict[str, object]:
    try:
        told: dict[str, object] = json.loads(path.read_bytes()) if path.stat().st_size <= MOST_MANIFEST else {}
        datetime.fromisoformat(str(told["taken_at"]))
        int(str(told["sha256"]), 16)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("input.manifest", "is no manifest of a backup") from error
    return told


def _archive(workplace: Workplace, path: Path, context: Context) -> Archive:
    with path.open("rb") as file:
        sha256 = copied(file, None, context.cancelled.is_set)
    return Archive(path=workplace.told(path), bytes=path.stat().st_size, sha256=sha256)


def _taken(name: str) -> datetime:
    """When a set was taken; now for what has another name, and is nobody's to remove."""
    if not SET.fullmatch(name):
        return datetime.now(UTC)
    return datetime.strptime(name[:19], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)

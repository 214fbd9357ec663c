"""Where sets of backups are kept: folders of an object store that the settings name, and nothing beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput, SettingInvalid

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PROTOCOLS = ("file", "s3", "gs", "gcs", "abfs", "az", "sftp")  # what keeps files, and is no way to fetch from anywhere
CHUNK = 1024 * 1024
MANIFEST = "manifest.json"  # written last: a set without it is not whole
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """One folder of a store."""

    files: AbstractFileSystem
    root: str

    def sets(self, prefix: str) -> Sequence[str]:
        """The whole sets of a prefix, the oldest first: their names begin with the moment that they were taken."""
        return [name for name in self.all_sets(prefix) if self.files.exists(f"{self.root}/{prefix}/{name}/{MANIFEST}")]

    def all_sets(self, prefix: str) -> Sequence[str]:
        """The sets of a prefix, those that are not whole among them."""
        folder = f"{self.root}/{prefix}"
        self.files.invalidate_cache(folder)
        if not self.files.isdir(folder):
            return []
        found = self.files.ls(folder, detail=False)
        return sorted(str(each).rstrip("/").rpartition("/")[2] for each in found)

    def put(self, source: Path, key: str, stop: Stop) -> str:
        """Copy a file to a key, and read it back; its digest. AgentRefused when what is there is something else."""
        target = f"{self.root}/{key}"
        self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
        with source.open("rb") as here, self.files.open(target, "wb") as there:
            sent = copied(here, cast("BinaryIO", there), stop)
        with self.files.open(target, "rb") as there:
            kept = copied(cast("BinaryIO", there), None, stop)
        if kept != sent:
            raise AgentRefused(f"the store did not keep {key} as it was sent", code="DATA_LOSS", reason="NOT_KEPT")
        return sent

    def get(self, key: str, target: Path, stop: Stop) -> str:
        """Copy a key to a file; its digest. InvalidInput when there is no such key."""
        try:
            with self.files.open(f"{self.root}/{key}", "rb") as there, target.open("wb") as here:
                return copied(cast("BinaryIO", there), here, stop)
        except FileNotFoundError:
            raise InvalidInput("input.set", f"{key!r} is not in the store") from None

    def remove(self, prefix: str, name: str) -> None:
        """Remove a set, its manifest first, so that nobody takes what is left for a whole one."""
        folder = f"{self.root}/{prefix}/{name}"
        if self.files.exists(f"{folder}/{MANIFEST}"):
            self.files.rm(f"{folder}/{MANIFEST}")
        self.files.rm(folder, recursive=True)


class Places:
    """The stores of the settings by name; where there is none, a folder of the workspace is `local`."""

    def __init__(self, urls: Mapping[str, str], workspace: Path) -> None:
        self._urls = urls or {"local": (workspace / "vault").as_uri()}
        for name, url in self._urls.items():
            if urlsplit(url).scheme not in PROTOCOLS:
                raise SettingInvalid("ops_stores", f"{name!r} must be a URL of one of {', '.join(PROTOCOLS)}")

    def place(self, name: str) -> Place:
        """A store; InvalidInput for one that the settings do not name, AgentRefused when it cannot be opened."""
        if name not in self._urls:
            raise InvalidInput("input.store", f"{name[:80]!r} is no store of A2A_OPS_STORES: {', '.join(self._urls)}")
        from fsspec.core import url_to_fs  # noqa: PLC0415 - slow to import, and few nodes need it

        try:
            files, root = url_to_fs(self._urls[name])
        except (ImportError, ValueError, OSError) as error:
            raise AgentRefused(f"store {name!r} cannot be opened: {error}", reason="STORE_UNUSABLE") from error
        return Place(files, str(root).rstrip("/"))


def copied(source: BinaryIO, target: BinaryIO | None, stop: Stop) -> str:
    """Copy piece by piece; the digest of what was copied. AgentRefused once nobody waits any more."""
    digest = hashlib.sha256()
    while piece := source.read(CHUNK):
        if stop():
            raise AgentRefused("nobody waits for this any more", code="CANCELLED")
        digest.update(piece)
        if target is not None:
            target.write(piece)
    return digest.hexdigest()

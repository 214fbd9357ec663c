"""Keeping backups by sets, and getting them back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput, SettingInvalid
from a2a_node.ops import vault
from a2a_node.ops.workplace import Limits, Workplace
from tests.unit.ops.places import done, workplace

DIGEST = "ab" * 32


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A workspace."""
    return workplace(tmp_path, Limits(workspace_bytes=20_000_000))


@pytest.fixture
def agent(place: Workplace, tmp_path: Path) -> Agent:
    """The agent, with a store outside of the workspace."""
    return vault.made(place, {"disk": (tmp_path / "disk").as_uri()})


async def kept(agent: Agent, place: Workplace, age: timedelta) -> str:
    """The name of a set that was taken so long ago."""
    taken = datetime.now(UTC) - age
    await place.write("f", "b/m.json", json.dumps({"taken_at": taken.isoformat(), "sha256": DIGEST}).encode())
    await place.write("f", "b/a.zst", b"archive")
    said = {"store": "disk", "prefix": "shop/db", "archive": "b/a.zst", "manifest": "b/m.json"}
    return str((await done(agent, "keep", **said))["name"])


async def test_what_was_kept_comes_back(agent: Agent, place: Workplace, tmp_path: Path) -> None:
    """Compressed, sent, read back, fetched and unpacked."""
    data = b"rows " * 1_000_000
    await place.write("f", "b/dump", data)
    packed = await done(agent, "compress", path="b/dump")
    assert packed["path"] == "b/dump.zst"
    assert int(str(packed["bytes"])) < 10_000
    taken = "2026-03-01T02:03:04+01:00"
    await place.write("f", "b/m.json", json.dumps({"taken_at": taken, "sha256": DIGEST, "more": 1}).encode())
    said = {"store": "disk", "prefix": "shop", "archive": packed["path"], "manifest": "b/m.json"}
    for _ in range(2):  # as a step is whose node died
        kept = await done(agent, "keep", **said)
    assert kept == {"name": "20260301T010304000Z-abababab", "sha256": packed["sha256"], "bytes": packed["bytes"]}
    assert sorted(path.name for path in (tmp_path / "disk/shop/20260301T010304000Z-abababab").iterdir()) == [
        "archive.zst",
        "manifest.json",
    ]
    found = await done(agent, "fetch", store="disk", prefix="shop")
    assert found["name"] == kept["name"]
    plain = await done(agent, "decompress", path=found["archive"])
    assert (place.root / str(plain["path"])).read_bytes() == data
    assert json.loads((place.root / str(found["manifest"])).read_bytes())["more"] == 1


async def test_old_sets_go(agent: Agent, place: Workplace, tmp_path: Path) -> None:
    """But for the newest, and those of the last days; what was never finished goes after a day."""
    names = [await kept(agent, place, timedelta(days=days)) for days in (40, 30, 20, 10, 0)]
    for name, age in (("20200101T000000000Z-00000000", 1), ("29990101T000000000Z-00000000", 0), ("somebody-elses", 0)):
        (tmp_path / "disk/shop/db" / name).mkdir()
        assert age in (0, 1)
    said = {"store": "disk", "prefix": "shop/db", "keep_last": 2, "keep_days": 25}
    assert await done(agent, "prune", **said) == {"removed": names[:2], "kept": names[2:]}
    assert await done(agent, "prune", **{**said, "keep_days": 0}) == {"removed": [names[2]], "kept": names[3:]}
    left = {path.name for path in (tmp_path / "disk/shop/db").iterdir()}
    assert left == {*names[3:], "29990101T000000000Z-00000000", "somebody-elses"}


async def test_damage_is_found(agent: Agent, place: Workplace, tmp_path: Path) -> None:
    """In the store, and in the archive itself; a set without its manifest is none."""
    name = await kept(agent, place, timedelta(0))
    folder = tmp_path / "disk/shop/db" / name
    (folder / "archive.zst").write_bytes(b"another")
    with pytest.raises(AgentRefused, match="is damaged"):
        await done(agent, "fetch", store="disk", prefix="shop/db", name=name)
    with pytest.raises(AgentRefused, match="archive is damaged"):
        await done(agent, "decompress", path="b/a.zst")
    (folder / "manifest.json").unlink()
    with pytest.raises(InvalidInput, match="no whole set"):
        await done(agent, "fetch", store="disk", prefix="shop/db")


async def test_a_small_archive_does_not_fill_the_disk(agent: Agent, place: Workplace) -> None:
    """However much it would unpack to."""
    packer = zstandard.ZstdCompressor()
    await place.write("f", "bomb.zst", packer.compress(bytes(200_000_000)))
    with pytest.raises(AgentRefused, match="prune") as full:
        await done(agent, "decompress", path="bomb.zst")
    assert full.value.reason == "WORKSPACE_FULL"


async def test_bad_input_is_refused(agent: Agent, place: Workplace) -> None:
    """Stores that nobody has set, keys that lead elsewhere, files that are none."""
    await place.write("f", "m.json", b"[]")
    said = {"store": "disk", "prefix": "shop", "archive": "m.json", "manifest": "m.json"}
    for changes, why in (
        ({"store": "s3://bucket"}, "no store of A2A_OPS_STORES: disk"),
        ({"prefix": "../x"}, r"input\.prefix"),
        ({"prefix": "/x"}, r"input\.prefix"),
        ({"archive": "../x"}, r"input\.archive"),
        ({}, "no manifest of a backup"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await done(agent, "keep", **{**said, **changes})
    with pytest.raises(InvalidInput, match=r"input\.name"):
        await done(agent, "fetch", store="disk", prefix="shop", name="../../x")
    for url in ("http://127.0.0.1/x", "memory://x", "github://a:b@c", "simplecache::file:///x", "/x"):
        with pytest.raises(SettingInvalid, match="must be a URL"):
            vault.made(place, {"disk": url})
    with pytest.raises(AgentRefused, match="cannot be opened: Install s3fs"):
        await done(vault.made(place, {"cloud": "s3://b/x"}), "fetch", store="cloud", prefix="shop")

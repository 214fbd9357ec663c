"""The tutorial, from a bare checkout to a dashboard's query, done in its order on a real node and a real Prometheus."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.pages.blocks import blocks, page
from tests.e2e.pages.reader import Reader, reading
from tests.e2e.tools import ROOT
from tests.ports import free_port

TUTORIAL = "docs/tutorial.md"
ELSEWHERE = ["Docker"]  # by the first word of what a block says that it needs
DASHBOARD = json.loads((ROOT / "monitoring/grafana/dashboards/a2a-mesh.json").read_text(encoding="utf-8"))


def checkout(folder: Path, words: Mapping[str, str]) -> None:
    """What is seen of the checkout beside `make`: monitoring/, which looks every second at our ports, not theirs.

    Beside it lies what finds Prometheus, as `monitoring/tools.sh` needs it.
    """
    shutil.copytree(ROOT / "monitoring", folder / "monitoring")
    for name in ("build", ".ci"):
        (folder / name).symlink_to(ROOT / name)
    for file in ("prometheus.yml", "targets/nodes.yml"):
        path = folder / "monitoring" / "prometheus" / file
        text = re.sub(r"(_interval|_timeout): 1[05]s", r"\1: 1s", path.read_text(encoding="utf-8"))
        for theirs, ours in words.items():
            text = text.replace(theirs, ours)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def reader(data_dir: Path, tmp_path: Path) -> Iterator[Reader]:
    """Somebody in a checkout, whose node has a folder and ports of its own."""
    tools.prometheus()
    places = ("127.0.0.1:50051", "127.0.0.1:8080", "127.0.0.1:9090")
    words = {place: f"127.0.0.1:{free_port()}" for place in places}
    grpc, http, _ = words.values()
    checkout(tmp_path, words)
    words |= {
        "~/.local/state/a2a-node": str(data_dir),
        "make ": f"make -C {shlex.quote(str(ROOT))} ",
        "build/series": str(tmp_path / "series"),
    }
    environ = {
        "A2A_DATA_DIR": str(data_dir),
        "A2A_ADDRESS": grpc,
        "A2A_GRPC_PORT": grpc.rpartition(":")[2],
        "A2A_HTTP_PORT": http.rpartition(":")[2],
        "A2A_PEER_PORT": "0",
    }
    with reading(tmp_path, words, environ) as reader:
        yield reader


def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    """From the first command to the last; nothing is left out but what says so, and why."""
    left_out = []
    for block in blocks(TUTORIAL):
        if block.needs is None:
            reader.follow(block)
        else:
            left_out.append(block.needs.split()[0])
    assert left_out == ELSEWHERE
    assert len(reader.done) > 12


def test_the_tutorial_asks_what_the_dashboard_shows() -> None:
    """By the same queries, but for the variables that Grafana fills in."""
    asked = re.findall(r"(?:until ask |CALLS=)'([^']+)'", page(TUTORIAL))
    shown = {target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())}
    for theirs, ours in {', instance=~"$instance"': "", "$job": "a2a-node", "$__rate_interval": "1m"}.items():
        shown = {query.replace(theirs, ours) for query in shown}
    assert len(asked) == 2
    assert set(asked) <= shown


def test_the_tutorial_names_the_dashboard_by_its_address() -> None:
    """Which is made of its uid."""
    assert f"/d/{DASHBOARD['uid']}>" in page(TUTORIAL)
    assert f"*{DASHBOARD['title']}*" in page(TUTORIAL)

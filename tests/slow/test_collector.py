"""The collector's configuration, held against a collector with the parts that it names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from a2a_node.client import MeshClient
from tests.e2e import tools
from tests.e2e.nodes import running_node
from tests.e2e.processes import Program
from tests.integration.receiver import over_grpc
from tests.ports import free_port

COLLECTOR = tools.ROOT / "monitoring/collector/collector.yml"


@pytest.fixture(scope="module")
def program() -> Path:
    """A collector."""
    return tools.go_program(Path(__file__).with_name("collector"))


@pytest.mark.parametrize(
    ("right", "wrong", "valid"),
    [("", "", True), ("queue_size", "queue_sise", False), ("[memory_limiter, batch]", "[memory_limiter, bach]", False)],
)
def test_the_collector_can_be_configured_so(
    program: Path, tmp_path: Path, right: str, wrong: str, *, valid: bool
) -> None:
    """And not otherwise."""
    config = tmp_path / "collector.yml"
    config.write_text(COLLECTOR.read_text().replace(right, wrong))
    done = subprocess.run(
        (program, "validate", f"--config={config}"), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode == 0) is valid, done.stderr


@pytest.fixture
def moved(tmp_path: Path) -> tuple[str, Path]:
    """An address, and what has to be added to the configuration for a collector to be there, on free ports."""
    grpc, http, metrics = free_port(), free_port(), free_port()
    more = {
        "receivers": {
            "otlp": {
                "protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}, "http": {"endpoint": f"127.0.0.1:{http}"}}
            }
        },
        "service": {
            "telemetry": {
                "metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}]}
            }
        },
    }
    (tmp_path / "moved.yml").write_text(yaml.safe_dump(more))
    return f"http://127.0.0.1:{grpc}", tmp_path / "moved.yml"


async def test_traces_of_a_node_go_through_the_collector(
    program: Path, moved: tuple[str, Path], open_folder: Path
) -> None:
    """To whatever receives them behind it."""
    address, more = moved
    with over_grpc() as receiver:
        behind = {"TRACES_ENDPOINT": receiver.address.removeprefix("http://")}
        command = (program, f"--config={COLLECTOR}", f"--config={more}")
        with (
            Program(command, behind) as collector,
            running_node(open_folder / "collected", "--trace-endpoint", address) as node,
        ):
            collector.line("Everything is ready")
            async with MeshClient(node.address, node.key) as mesh:
                await mesh.call("echo", "say", {"text": "x"})
            await receiver.until(lambda spans: any(span.name.endswith("/Invoke") for span in spans), 60.0)
    assert {span.service for span in receiver.spans} == {"a2a-node"}

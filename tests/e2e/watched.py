"""A real Prometheus over nodes of a test, by the project's own configuration, and who hears of its alerts.

What is changed in the copy of it: addresses, how often is looked, and how long an alert has to last. No query changes.
The test itself stands where Alertmanager would: Debian's has the path of its templates built in, and so does not run
from a folder. amtool holds its configuration and routes against it, in `make monitoring`.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeAlias

import yaml

from tests.e2e import tools
from tests.e2e.processes import Program
from tests.ports import free_port

MONITORING = tools.ROOT / "monitoring"
PATIENCE = 60.0  # seconds
QUICK = "1s"
Object: TypeAlias = dict[str, Any]


class Prometheus:
    """One that scrapes the nodes, and hands its alerts on."""

    def __init__(self, address: str) -> None:
        self.address = address

    def values(self, query: str) -> Sequence[float]:
        """What a query answers now, without what is no number."""
        found = self._asked("query", query=query)["result"]
        return [number for one in found if (number := float(one["value"][1])) == number]

    def rules(self) -> Sequence[Mapping[str, object]]:
        """The rules, and how their last evaluation went."""
        groups = self._asked("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def firing(self) -> set[tuple[str, str]]:
        """Alerts that fire, by name and instance."""
        alerts = self._asked("alerts")["alerts"]
        labels = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
        return {(one["alertname"], one.get("instance", "")) for one in labels}

    def _asked(self, what: str, **parameters: str) -> Object:
        url = f"http://{self.address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=20) as response:
            data: Object = json.loads(response.read())["data"]
        return data


class Heard:
    """The alerts that Prometheus has handed on, by name and instance, and the sections that they lead to."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, str], str] = {}

    def take(self, body: bytes) -> None:
        """Take in a message, as Alertmanager's `/api/v2/alerts` would."""
        for alert in json.loads(body):
            labels = alert["labels"]
            self.alerts[labels["alertname"], labels.get("instance", "")] = alert["annotations"]["runbook_url"]


def eventually(what: Callable[[], Sequence[object]], timeout: float = PATIENCE) -> None:
    """Wait until nothing is missing any more; AssertionError says what is."""
    until = monotonic() + timeout
    while missing := what():
        assert monotonic() < until, missing
        sleep(0.25)


@contextmanager
def watching(folder: Path, nodes: Sequence[str]) -> Iterator[tuple[Prometheus, Heard]]:
    """Watch nodes at these HTTP addresses until the block ends."""
    address = f"127.0.0.1:{free_port()}"
    with _listening() as (taker, heard):
        _copy(folder, address, taker, nodes)
        command = (
            tools.prometheus() / "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage",
        )
        with Program(command) as program:
            program.line("Server is ready to receive web requests")
            yield Prometheus(address), heard


def _copy(folder: Path, address: str, taker: str, nodes: Sequence[str]) -> None:
    """The configuration, as it is used here: Prometheus at an address, that hands alerts on to a taker."""
    config = _read("prometheus/prometheus.yml")
    config["global"] |= {"scrape_interval": QUICK, "scrape_timeout": QUICK, "evaluation_interval": QUICK}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [taker]
    ours, itself = config["scrape_configs"]
    ours["file_sd_configs"][0]["files"] = [str(folder / "nodes.yml")]
    itself["static_configs"][0]["targets"] = [address]
    _write(folder / "nodes.yml", [{"targets": list(nodes)}])
    _write(folder / "prometheus.yml", config)
    (folder / "rules").mkdir()
    for file in (MONITORING / "prometheus" / "rules").glob("*.yml"):
        rules = _read(f"prometheus/rules/{file.name}")
        for rule in (rule for group in rules["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = QUICK
        _write(folder / "rules" / file.name, rules)


def _read(file: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((MONITORING / file).read_text())
    return read


def _write(file: Path, content: object) -> None:
    file.write_text(yaml.safe_dump(content))


@contextmanager
def _listening() -> Iterator[tuple[str, Heard]]:
    """A server that takes alerts, and what it has heard."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()

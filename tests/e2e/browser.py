"""A real browser without a window, driven by its DevTools protocol: what a page shows, does and asks for."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from websockets.sync.client import ClientConnection, connect

from tests.e2e import tools

PATIENCE = 120.0  # seconds
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
Fields = dict[str, object]


class Page:
    """One page that is open; `asked` are the addresses of all requests that it made, `complaints` what it logged."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._last, self._session = line, 0, ""
        self.asked: list[str] = []
        self.complaints: list[str] = []
        target = self._do("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self._do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Network", "Page", "Runtime", "Log"):
            self._do(f"{domain}.enable")

    def go(self, address: str) -> None:
        """Open an address; returns when it is loaded."""
        self._do("Page.navigate", url=address)
        self._await("Page.loadEventFired")

    def shown(self, expression: str) -> object:
        """What an expression of JavaScript, or its promise, gives in the page."""
        said = self._do("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return cast("Fields", said["result"]).get("value")

    def comes(self, expression: str) -> object:
        """What an expression gives once it gives anything; the page looks whenever its document has changed."""
        return self.shown(
            f"""new Promise((given, failed) => {{
                const look = () => {{ const it = {expression}; if (it) {{ given(it); watch.disconnect(); }} }};
                const watch = new MutationObserver(look);
                watch.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
                setTimeout(() => failed(new Error("it has not come")), {int(PATIENCE * 1000)});
                look();
            }})"""
        )

    def _do(self, method: str, **params: object) -> Fields:
        self._last += 1
        session = {"sessionId": self._session} if self._session else {}
        self._line.send(json.dumps({"id": self._last, "method": method, "params": params, **session}))
        while (told := self._told()).get("id") != self._last:
            pass
        assert "error" not in told, told
        return cast("Fields", told["result"])

    def _await(self, event: str) -> None:
        while self._told().get("method") != event:
            pass

    def _told(self) -> Fields:
        told = cast("Fields", json.loads(self._line.recv(PATIENCE + 10)))
        params = cast("dict[str, Fields]", told.get("params", {}))
        match told.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(str(params["request"]["url"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.complaints.append(str(params["entry"]["text"]))
        return told


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """A page of a browser that lives in a folder, and ends with the block."""
    command = (tools.browser(), *QUIET, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as browser:
        try:
            assert browser.stderr is not None
            said: list[str] = []
            while not (found := re.search(r"ws://\S+", said[-1] if said else "")):
                said.append(browser.stderr.readline())
                assert said[-1], f"the browser has ended: {''.join(said)}"
            with connect(found[0], max_size=None, open_timeout=PATIENCE) as line:
                yield Page(line)
        finally:
            browser.kill()

"""Programs that a test starts: their output line by line, and their end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Protocol, Self

from tests.ample import AMPLE_ENVIRON
from tests.e2e.tools import ROOT

SAYING = 180.0  # seconds that a program gets to say what is waited for: a start takes over 60 on a crowded machine
ENDING = 180.0  # seconds that a program gets to end by itself: only one that hangs needs them
SHOWN = 100  # lines of what it said that are shown when it has ended
TELLING = {"PYTHONFAULTHANDLER": "1"}  # a program that aborts or faults says where each of its threads was


class Process(Protocol):
    """What a program is to its parent: the part of `subprocess.Popen` that is used here."""

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def stdout(self) -> IO[str] | None:
        """All that it says."""

    def poll(self) -> int | None:
        """The exit code, if it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended; subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, unless it has ended."""

    def kill(self) -> None:
        """Have it end at once."""


def executed(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> Process:
    """A process as a shell would start it."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=pipe, stderr=subprocess.STDOUT, text=True)


Start = Callable[[Sequence[str], Mapping[str, str], Path], Process]


class Program:
    """A running program, ended with the block: asked first, then killed."""

    def __init__(
        self, command: Sequence[str | Path], environ: Mapping[str, str] | None = None, start: Start = executed
    ) -> None:
        self._words = [str(part) for part in command]
        self._process = start(self._words, {**os.environ, **TELLING, **AMPLE_ENVIRON, **(environ or {})}, ROOT)
        self._lines: deque[str] = deque(maxlen=10_000)
        self._news = threading.Condition()
        self._silent = self._shown = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has said so far."""
        with self._news:
            return "".join(self._lines)

    def line(self, pattern: str, timeout: float = SAYING) -> re.Match[str]:
        """The first line, said before or from now on, in which the pattern is found; AssertionError when none comes."""
        until = monotonic() + timeout
        with self._news:
            while (found := self._found(pattern)) is None:
                heard = not self._silent and self._news.wait(until - monotonic())
                assert heard, f"no line with {pattern!r}; it said:\n{''.join(self._lines)}"
        return found

    def forget(self) -> None:
        """Look no more at what it has said so far."""
        with self._news:
            self._lines.clear()

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(sign)

    def wait(self, timeout: float) -> int:
        """The exit code, once it has ended by itself; TimeoutExpired."""
        return self._process.wait(timeout)

    def end(self, sign: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Ask it to end, kill it when it does not in time, and answer its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(sign)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._reader.join(timeout)
            if self._process.stdout is not None and self._silent:
                self._process.stdout.close()
            self._show()

    def ends(self, sign: signal.Signals | None = signal.SIGTERM, code: int = 0, timeout: float = ENDING) -> None:
        """See that it ends with this exit code, asked to, or by itself; AssertionError, with what it has said."""
        if sign is not None and self._process.poll() is None:
            self._process.send_signal(sign)
        try:
            ended: int | str = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            ended = "still running"
        else:
            self._reader.join(timeout)
        assert ended == code, f"it did not end with {code}, but: {ended}; it said:\n{self.output}"

    def _show(self) -> None:
        """Say its last words once, for whoever reads why a test failed."""
        if (
            not self._shown and "PYTEST_CURRENT_TEST" in os.environ
        ):  # chaos, which starts programs too, has a table to show
            self._shown = True
            last = "".join([*self._lines][-SHOWN:])
            print(f"{self._words!r} ended with {self._process.poll()} and said at last:\n{last}")  # noqa: T201

    def end_well(self) -> None:
        """Ask it to end, if it still runs, and see that it does by itself; AssertionError, with what it has said."""
        if self._process.poll() is None:
            self.ends()

    def _found(self, pattern: str) -> re.Match[str] | None:
        matches = (re.search(pattern, line) for line in self._lines)
        return next((match for match in matches if match is not None), None)

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._heard(line)
        with self._news:
            self._silent = True
            self._news.notify_all()

    def _heard(self, line: str) -> None:
        with self._news:
            self._lines.append(line)
            self._news.notify_all()

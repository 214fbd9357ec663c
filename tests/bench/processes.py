"""Processes of a benchmark: started, waited for, measured, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import psutil

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


@contextmanager
def started(*command: str, ready: str, environ: Mapping[str, str] | None = None) -> Iterator[tuple[int, float]]:
    """Run a process until the block ends; yields its pid and the seconds until it printed a line with `ready`."""
    began = perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
    )
    try:
        awaited(process, ready)
        yield process.pid, perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def resident_mb(pid: int) -> float:
    """The memory that a process holds, MB of 2^20 bytes."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def awaited(process: subprocess.Popen[str], ready: str) -> None:
    """Wait for the line; the process's end, or a minute, is an error."""
    for line in process.stdout or ():
        if ready in line:
            return
    raise RuntimeError(f"{process.args!r} ended with {process.wait()} before it was ready")

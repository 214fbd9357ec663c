"""Every fault for a moment, as a test: `pytest tests/chaos`. `make chaos` does each of them many times."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos.faults import LANES
from tests.chaos.mesh import LEASE

SECONDS = 240  # that one may take on a busy machine; a quiet one needs a tenth
FAULTS = [fault.name for lane in LANES for fault in lane]


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_lost_doubled_over_admitted_or_left_over(fault: str) -> None:
    """A mesh of real processes suffers it under load."""
    if fault.startswith("clock") and not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("a clock that is off needs a C compiler")
    async with asyncio.timeout(SECONDS):
        (row,) = await chaos.everything(chaos.Extent(rounds=1, seconds=LEASE + 1.0), [fault])
    assert row.calls > 0
    assert row.clean, row

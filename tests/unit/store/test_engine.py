"""The engine comes without the mapper, and leaves the package whole for whoever wants more of it."""

from __future__ import annotations

import subprocess
import sys

ALONE = """
import sys
import a2a_node.node
assert not [name for name in sys.modules if name.startswith("sqlalchemy.orm")], "the mapper was imported"
"""
WHOLE = """
from a2a_node.store.engine import AsyncEngine
import sqlalchemy.ext.asyncio as package
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
assert package.AsyncEngine is AsyncEngine
assert package.engine.AsyncEngine is AsyncEngine
assert AsyncSession.__module__ == "sqlalchemy.ext.asyncio.session"
"""
BEFORE = """
import sqlalchemy.ext.asyncio as package
from a2a_node.store.engine import AsyncEngine
assert package.AsyncEngine is AsyncEngine
"""


def runs(program: str) -> None:
    """Run a program in an interpreter of its own."""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_node_is_imported_without_the_mapper() -> None:
    """Nothing of a node needs it."""
    runs(ALONE)


def test_whoever_wants_the_rest_of_the_package_finds_it() -> None:
    """With the same classes, whether it is asked for later or was there before."""
    runs(WHOLE)
    runs(BEFORE)

"""Statements that are asked so often that the driver is given them as they stand.

Making a statement anew, and a result of what came, is most of what asking takes; with each step of a run that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import ClauseElement, Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql.compiler import SQLCompiler


class Hot:
    """One statement, as it is and as the driver wants it; JSON is read by the connection."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        element = cast("ClauseElement", statement)
        compiled = cast("SQLCompiler", element.compile(dialect=dialect()))  # type: ignore[no-untyped-call]
        self.text = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()

    def values(self, parameters: Mapping[str, object]) -> Sequence[object]:
        """The parameters in the order of the text."""
        return [parameters[name] for name in self._names]

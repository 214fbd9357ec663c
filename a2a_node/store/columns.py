"""What all tables of a mesh in Postgres have in common: how constraints are named, times, and numbers of changes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, MetaData, Table, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Time = DateTime(timezone=True)
NOW = text("clock_timestamp()")  # now() would be the start of the transaction, before it waited for its turn


def counter(name: str, column: str) -> Table:
    """A table of one row, which holds one number."""
    return Table(
        name,
        metadata,
        Column("only", Boolean, primary_key=True, server_default=text("true")),
        Column(column, BigInteger, nullable=False),
        CheckConstraint('"only"', name="only"),
    )

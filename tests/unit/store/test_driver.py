"""What the failures of the driver mean, and which URLs it takes."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from a2a_node.model.errors import AgentNotFound, InvalidInput, SettingInvalid, StoreUnavailable
from a2a_node.store.driver import Dial, driver_url, translated


async def failing(failure: Exception) -> None:
    """Fail where failures are translated."""
    async with translated():
        raise failure


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        TimeoutError(),
        PoolTimeout("none is free"),
        asyncpg.ConnectionDoesNotExistError("closed in the middle"),
        asyncpg.AdminShutdownError("about to stop"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.InvalidPasswordError("no"),
        asyncpg.InvalidCatalogNameError("no such database"),
        asyncpg.ReadOnlySQLTransactionError("a standby"),
        asyncpg.QueryCanceledError("too long"),
        asyncpg.LockNotAvailableError("too long"),
        asyncpg.IdleInTransactionSessionTimeoutError("forgotten"),
        asyncpg.InterfaceError("connection is closed"),
    ],
    ids=lambda failure: f"{type(failure).__module__}.{type(failure).__name__}",
)
async def test_a_failure_of_the_server_means_that_it_is_away(failure: Exception) -> None:
    """Whether it cannot be reached or cannot serve; the cause is kept for the log."""
    with pytest.raises(StoreUnavailable) as translation:
        await failing(failure)
    assert translation.value.variables == {"store": "postgres"}
    assert translation.value.__cause__ is failure


@pytest.mark.parametrize("failure", [asyncpg.CharacterNotInRepertoireError("NUL"), asyncpg.DataError("too large")])
async def test_a_value_that_cannot_be_kept_is_the_callers_mistake(failure: Exception) -> None:
    """It is no failure of the store, and asking again does not help."""
    with pytest.raises(InvalidInput):
        await failing(failure)


@pytest.mark.parametrize("failure", [asyncpg.UndefinedTableError("oops"), AgentNotFound("echo"), KeyError("mine")])
async def test_any_other_failure_passes_as_it_is(failure: Exception) -> None:
    """A mistake of ours is not called an outage."""
    with pytest.raises(type(failure)) as passed:
        await failing(failure)
    assert passed.value is failure


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_the_usual_schemes_are_taken(scheme: str) -> None:
    """All that follows the scheme is the driver's business."""
    rest = "ann:p%40ss@db.example:6432/mesh?sslmode=require"
    assert driver_url(f"{scheme}://{rest}") == f"postgresql://{rest}"


@pytest.mark.parametrize(
    "url", ["", "mysql://ann:secret@db/mesh", "postgresql://ann:secret@db:port/mesh", "ann:secret"]
)
def test_a_wrong_url_is_refused_without_showing_it(url: str) -> None:
    """The message says how one looks."""
    with pytest.raises(SettingInvalid, match="postgresql://user:password@host:port/database") as refused:
        driver_url(url)
    assert "secret" not in f"{refused.value}{refused.value.__cause__}"


def test_the_password_is_not_shown() -> None:
    """Neither in logs nor in failures."""
    assert "secret" not in repr(Dial("postgresql://ann:secret@db/mesh", 1.0))

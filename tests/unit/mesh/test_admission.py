"""What may enter the registry."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from a2a_node.mesh.admission import check_not_held, check_owner, checked_address, checked_lease
from a2a_node.mesh.entries import Entry
from a2a_node.model.agents import RegisteredAgent, checked_config
from a2a_node.model.errors import AgentHeld, AgentOwned, InvalidInput
from a2a_node.model.principal import Principal
from tests.unit.mesh.samples import OWNER, agent, attached, endpoint

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ENTRY = RegisteredAgent(
    agent("a"), "id", OWNER, enabled=True, deployed_at=NOW, created_at=NOW, updated_at=NOW, revision=1
)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "localhost:65535", "agents.example.org:443", "[::1]:50051", "unix:/run/a.sock"]
)
def test_an_address_that_can_be_dialled_is_taken(address: str) -> None:
    """As it is."""
    assert checked_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "localhost:",
        ":50051",
        "localhost:0",
        "localhost:65536",
        "localhost:99999999999999999999999999",
        "localhost:٣٣",
        "localhost:-1",
        "http://localhost:1",
        "local host:1",
        "localhost:1\n",
        "::1:50051",
        "[nonsense]:1",
        "unix:",
        "unix:relative.sock",
        "unix:/" + "x" * 200,
        "dns:///x:1",
    ],
)
def test_an_address_of_another_form_is_refused_by_its_field(address: str) -> None:
    """Whoever sent it learns which form is wanted."""
    with pytest.raises(InvalidInput) as refused:
        checked_address(address)
    assert refused.value.violations[0][0] == "address"


@pytest.mark.parametrize("seconds", [0.0, 0.999, 600.1, -1.0, float("inf")])
def test_a_lease_too_short_or_too_long_is_refused(seconds: float) -> None:
    """From one second to ten minutes is allowed."""
    assert checked_lease(1.0) == 1.0
    assert checked_lease(600.0) == 600.0
    with pytest.raises(InvalidInput, match="lease"):
        checked_lease(seconds)


def test_a_configuration_over_its_limit_is_refused_with_both_numbers() -> None:
    """The limit counts bytes of JSON, not characters."""
    frame = len('{"text":""}')
    assert checked_config({"text": "x" * (65536 - frame)})
    with pytest.raises(InvalidInput, match=r"65537 bytes .* 65536"):
        checked_config({"text": "x" * (65537 - frame)})
    with pytest.raises(InvalidInput):
        checked_config({"text": "é" * 40_000})


@pytest.mark.parametrize("principal", [Principal("agent", "owner"), Principal("node", "n"), Principal("person", "dev")])
def test_owners_nodes_and_the_developer_may_change_an_agent(principal: Principal) -> None:
    """Nobody objects."""
    check_owner(Entry(ENTRY), principal)


@pytest.mark.parametrize(
    "principal", [Principal("agent", "dev"), Principal("person", "owner"), Principal("nobody", "")]
)
def test_others_may_not(principal: Principal) -> None:
    """A name alone is not enough: its kind counts."""
    with pytest.raises(AgentOwned):
        check_owner(Entry(ENTRY), principal)


def test_an_agent_that_a_node_holds_stays() -> None:
    """One with endpoints alone may go."""
    check_not_held(Entry(ENTRY, (endpoint("a"),)))
    with pytest.raises(AgentHeld, match="here"):
        check_not_held(Entry(ENTRY, (endpoint("a"), attached("a"))))

"""SPIFFE ids: whom a certificate names."""

from __future__ import annotations

import pytest

from a2a_node.access.spiffe import Spiffe
from a2a_node.model.principal import Principal

HERE = Spiffe("mesh.test")


@pytest.mark.parametrize(
    "principal", [Principal("node", "n1"), Principal("agent", "crowd"), Principal("person", "ada")]
)
def test_an_id_names_its_principal(principal: Principal) -> None:
    """Beside whatever else stands in the certificate."""
    assert HERE.principal([HERE.id_of(principal), "n1.mesh.test", "https://mesh.test/"]) == principal


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("n1.mesh.test",),
        ("spiffe://elsewhere.test/node/n1",),
        ("spiffe://mesh.test.evil/node/n1",),
        ("spiffe://mesh.test/node/n1", "spiffe://mesh.test/node/n2"),
        ("spiffe://mesh.test/node/n1", "spiffe://elsewhere.test/x"),
        ("spiffe://mesh.test/server/n1",),
        ("spiffe://mesh.test/node/",),
        ("spiffe://mesh.test/node/n1/more",),
        ("spiffe://mesh.test/node",),
        ("spiffe://mesh.test/",),
        ("spiffe://mesh.test/node/a b",),
    ],
)
def test_everything_else_is_nobody(names: tuple[str, ...]) -> None:
    """Another domain, another form, or two at once."""
    assert HERE.principal(names) is None
